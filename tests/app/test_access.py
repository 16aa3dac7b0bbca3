"""Keys: who may do what, with which collections, for how long."""

from datetime import timedelta

import pytest

from app.access import AccessDenied, KeyNotFound, KeyRefused, Role, check_key, create_key, list_keys, revoke_key


def test_a_key_is_known_again_and_only_its_digest_is_kept(space):
    secret, key = create_key(space.database, Role.TRAINER, ["handbook"])
    assert len(secret) == 46
    assert check_key(space.database, secret) == key
    assert [known.id for known in list_keys(space.database)] == [secret[:11]]
    space.database.close()
    assert secret.encode() not in b"".join(path.read_bytes() for path in space.home.glob("ragloop.db*"))


@pytest.mark.parametrize("secret", [None, "", "rk_unknown", "rk_\xe9"])
def test_what_is_no_key_is_refused(space, secret):
    with pytest.raises(KeyRefused, match="ragloop keys create"):
        check_key(space.database, secret)


def test_an_expired_key_is_refused(space):
    secret, _ = create_key(space.database, Role.READER, lasts=timedelta(seconds=-1))
    with pytest.raises(KeyRefused, match="expired"):
        check_key(space.database, secret)


def test_a_revoked_key_is_refused(space):
    secret, key = create_key(space.database, Role.ADMIN)
    revoke_key(space.database, key.id)
    with pytest.raises(KeyRefused, match="revoked"):
        check_key(space.database, secret)


def test_a_key_that_is_not_there_cannot_be_revoked(space):
    with pytest.raises(KeyNotFound, match="keys list"):
        revoke_key(space.database, "rk_nobody")


def test_a_role_covers_those_before_it(space):
    _, trainer = create_key(space.database, Role.TRAINER)
    trainer.require_role(Role.READER)
    trainer.require_role(Role.TRAINER)
    with pytest.raises(AccessDenied, match="--role admin"):
        trainer.require_role(Role.ADMIN)


def test_a_bound_key_opens_its_collections_alone(space):
    _, bound = create_key(space.database, Role.ADMIN, ["handbook"])
    bound.require_collection("handbook")
    with pytest.raises(AccessDenied, match="payroll"):
        bound.require_collection("payroll")
    with pytest.raises(AccessDenied, match="without --collection"):
        bound.require_all_collections()
    _, free = create_key(space.database, Role.READER)
    free.require_collection("payroll")
    free.require_all_collections()
