from datetime import timedelta

from app.access import Role, create_key, revoke_key
from app.cli.serve import say_if_no_key


def test_that_no_key_opens_the_api_is_said_until_there_is_one(space, capsys):
    say_if_no_key(space)
    create_key(space.database, Role.ADMIN, lasts=timedelta(seconds=-1))
    _, key = create_key(space.database, Role.ADMIN)
    revoke_key(space.database, key.id)
    say_if_no_key(space)
    assert capsys.readouterr().err.count("there is no key: create one with `ragloop keys create --role admin`") == 2
    create_key(space.database, Role.READER, lasts=timedelta(days=1))
    say_if_no_key(space)
    assert capsys.readouterr().err == ""
