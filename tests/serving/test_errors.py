"""The error tree and its statuses."""

from __future__ import annotations

import pytest

from serving import errors

HTTP_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


@pytest.mark.parametrize(("name", "status"), HTTP_STATUSES.items())
def test_code_maps_to_the_http_status_of_tf_serving(name, status):
    error = errors.from_code(errors.Code[name], "why")
    assert (error.code.name, error.http_status, str(error)) == (name, status, "why")


def test_unknown_code_is_unknown():
    assert errors.from_code(99, "").code is errors.Code.UNKNOWN


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidArgumentError),
        (404, errors.NotFoundError),
        (413, errors.PayloadTooLargeError),
        (500, errors.InternalError),
        (503, errors.UnavailableError),
        (418, errors.ServingError),
    ],
)
def test_http_status_maps_back_to_the_tree(status, kind):
    assert type(errors.from_http_status(status, "")) is kind


def test_tree_in_the_docstring_is_complete():
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert {kind.__name__ for kind in classes} == {
        word for word in (errors.__doc__ or "").replace("`", " ").split() if word.endswith("Error")
    }
