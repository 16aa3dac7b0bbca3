"""`ragloop experiments` as people use it."""

import json


def test_one_is_started_looked_at_and_stopped(company):
    assert "--template, --way and --retrieval" in company.refused("experiments", "start")
    assert "NAME=VALUE" in company.refused("experiments", "start", "--retrieval", "dense_weight")
    assert "satisfaction, found, support" in company.refused("experiments", "start", "1", "--outcome", "joy")
    assert "ragloop experiments start" in company.refused("experiments", "status")
    for command in (("experiments", "status"), ("experiments", "start"), ("releases", "promote")):
        done = company(*command, 2**64)
        assert done.returncode == 2 and "Invalid value" in done.stdout + done.stderr

    changed = "experiments", "start", "--template", "concise", "--retrieval", "dense_weight=0.6"
    assert "would change no word" in company.refused(*changed, RAGLOOP_GROQ_API_KEY="")
    assert "a name of no words" in company.refused(
        "experiments", "start", "--retrieval", "dense_weight=0.6", "--name", ""
    )
    begun = company.ok(*changed, RAGLOOP_GROQ_API_KEY="k")
    assert "template concise, dense_weight 0.6" in begun and "50% control, 50% variant" in begun
    shown = company.ok("experiments", "status")
    assert "guard rail" in shown and "nothing is proven yet" in shown and "questions without a `user`" in shown
    assert "asked" in shown and "difference of the means" in shown
    told = json.loads(company.ok("experiments", "status", "1", "--json"))
    assert (told["state"], told["look"]["n_variant"]) == ("running", 0)
    assert (told["shares"], told["config"]["outcome"]) == ({"control": 0.5, "variant": 0.5}, "satisfaction")
    variant = company.ok("releases", "show", str(told["variant_id"]))
    assert "concise" in variant and "variant of release" in variant

    assert "a reason of no words" in company.refused("experiments", "stop", "--reason", "")
    assert "serves everybody" in company.ok("experiments", "stop", "--reason", "enough")
    (listed,) = json.loads(company.ok("experiments", "list", "--json"))
    assert (listed["state"], listed["reason"]) == ("stopped", "enough")
