"""Real processes that all begin at the same moment."""

import multiprocessing


def _meet(barrier, function, arguments):
    barrier.wait(60)
    function(*arguments)


def at_once(function, calls):
    """Call a function in as many processes as there are calls, all released at the same moment."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(calls))
    processes = [context.Process(target=_meet, args=(barrier, function, arguments)) for arguments in calls]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
        assert [process.exitcode for process in processes] == [0] * len(calls)
    finally:
        for process in processes:
            process.kill()
