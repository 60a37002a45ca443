"""Every error code of the contract that can occur here does occur, with its status and known message."""

import re
from pathlib import Path

import pytest

import emulator
from emulator.contract.error_codes import ERROR_CODES
from tests.contract_chain.error_cases.registry import cases
from tests.support.harness import Service, refusal

CASES = cases()
_STATUS_BY_FAMILY = {
    "BadRequest": 400,
    "Forbidden": 403,
    "NotFound": 404,
    "Conflict": 409,
    "UnsupportedMediaType": 415,
    "ErrorPredictionServiceUnavailable": 503,
    "Error": 500,
}

# Codes that no request can produce here, by the reason.
CANNOT_HAPPEN: dict[str, tuple[str, ...]] = {
    "not an error": ("NoError",),
    "the last code of its family in the service's own list: a boundary, not an error": (
        "BadRequestInvalid",
        "ForbiddenInvalid",
        "NotFoundInvalid",
        "ConflictInvalid",
        "ErrorInvalid",
    ),
    "accounts, subscriptions and regions of Azure, which the emulator does not have": (
        "BadRequestSubscriptionApi",
        "BadRequestCannotMigrateProjectWithName",
        "BadRequestNotLimitedTrial",
        "BadRequestCustomerManagedKeyRevoked",
        "Forbidden",
        "ForbiddenUser",
        "ForbiddenUserSignupDisabled",
        "ForbiddenUserSignupAllowanceExceeded",
        "ForbiddenUserDoesNotExist",
        "ForbiddenUserDisabled",
        "ForbiddenDRModeEnabled",
        "NotFoundApimSubscription",
    ),
    "project names need not be unique, and no operation duplicates a project": (
        "BadRequestProjectNameNotUnique",
        "BadRequestProjectDuplicated",
    ),
    "iterations have no description in these versions, and their name is all that can be changed": (
        "BadRequestIterationDescription",
        "BadRequestIterationValidationFailed",
    ),
    "the workspace is not an iteration that clients can address": ("BadRequestWorkspaceNotDeletable",),
    "unpublishing is one transaction, which cannot fail half-way": ("BadRequestUnpublishFailed",),
    "a narrower or wider code is returned instead": (
        "BadRequestUnsupportedDomain",  # BadRequestProjectUnknownDomain
        "BadRequestImageExceededCount",  # BadRequestExceededBatchSize, BadRequestExceededQuota
        "BadRequestTrainingValidationFailed",  # the codes of each project type
        "BadRequestClassificationTrainingValidationFailed",  # likewise
        "BadRequestOperationNotSupported",  # BadRequestNotSupported
        "NotFound",  # the gateway's 404
        "Conflict",  # the codes of the specific conflict
    ),
    "reported for each pair, in `exceeded` of the response or as the image's status": (
        "BadRequestExceedTagPerImageLimit",
    ),
    "models trained by an earlier emulator stay valid, and none of its networks is retired": (
        "BadRequestTrainingNotNeededButTrainingPipelineUpdated",
        "BadRequestRetiredDomainNotSupportedForTraining",
        "BadRequestCustomBaseModelArchitectureRetired",
    ),
    "models of advanced training can be exported to every platform of their domain": (
        "BadRequestExportPlatformNotSupportedForAdvancedTraining",
    ),
    "faults between the parts of a distributed service; the emulator is one process": (
        "ErrorIterationCopyFailed",
        "ErrorPreparePerformanceMigrationFailed",
        "ErrorProjectInvalidWorkspace",
        "ErrorProjectInvalidPipelineConfiguration",
        "ErrorProjectInvalidDomain",
        "ErrorProjectTrainingRequestFailed",
        "ErrorProjectImportRequestFailed",
        "ErrorProjectExportRequestFailed",
        "ErrorFeaturizationServiceUnavailable",
        "ErrorFeaturizationQueueTimeout",
        "ErrorFeaturizationInvalidFeaturizer",
        "ErrorFeaturizationAugmentationUnavailable",
        "ErrorFeaturizationUnrecognizedJob",
        "ErrorFeaturizationAugmentationError",
        "ErrorExporterInvalidPlatform",
        "ErrorExporterInvalidFeaturizer",
        "ErrorExporterInvalidClassifier",
        "ErrorPredictionModelNotFound",
        "ErrorPredictionModelNotCached",
        "ErrorPredictionStorage",
        "ErrorUnknownBaseModel",
        "ErrorServerTimeOut",
    ),
}


# The control API has no codes of its own: for its resources and in scenarios of faults, it uses general ones.
_OF_CONTROL_API = {"NotFound", "Conflict", "Forbidden", "NoError"}


# A case that breaks the file of the database is about that in the data folder.
_PARAMETERS = [
    pytest.param(code, marks=pytest.mark.sqlite) if code == "ErrorUnknown" else code for code in CASES
]


@pytest.mark.parametrize("code", _PARAMETERS)
def test_a_request_raises_the_code(code: str, service: Service) -> None:
    case = CASES[code]
    status, returned, message = refusal(case.request(service))
    family = next(family for family in _STATUS_BY_FAMILY if code.startswith(family))
    assert (returned, status) == (code, _STATUS_BY_FAMILY[family])
    assert re.fullmatch(case.message or r"[^\n]{8,400}", message), message


def test_every_code_has_a_case_or_a_reason_why_not() -> None:
    impossible = [code for codes in CANNOT_HAPPEN.values() for code in codes]
    assert len(impossible) == len(set(impossible)), "a code is impossible for two reasons"
    assert set(impossible) & CASES.keys() == set()
    assert set(impossible) | CASES.keys() == ERROR_CODES


def test_no_source_names_an_impossible_code() -> None:
    folder = Path(emulator.__file__).parent
    sources = [path for part in ("api", "core", "contract") for path in (folder / part).rglob("*.py")]
    text = "".join(path.read_text("utf-8") for path in sources if path.name != "error_codes.py")
    named = set(re.findall(r'"([A-Z]\w+)"', text)) & ERROR_CODES
    assert named - CASES.keys() <= _OF_CONTROL_API
    assert len(named) > 60
