"""Every error code of the contract that can happen here does happen, with its status and known message."""

import re
from pathlib import Path

import pytest

import emulator
from emulator.contract.error_codes import ERROR_CODES
from tests.contract_chain.provocations import MESSAGES, PROVOCATIONS
from tests.support.harness import Service, refusal

_STATUS_BY_FAMILY = {
    "BadRequest": 400,
    "Forbidden": 403,
    "NotFound": 404,
    "Conflict": 409,
    "UnsupportedMediaType": 415,
    "Error": 500,
}

# Codes that no request can be answered with here, by the reason why not.
CANNOT_HAPPEN: dict[str, tuple[str, ...]] = {
    "not an error": ("NoError",),
    "the last of its family in the service's own list, a boundary and no error": (
        "BadRequestInvalid",
        "ForbiddenInvalid",
        "NotFoundInvalid",
        "ConflictInvalid",
        "ErrorInvalid",
    ),
    "about accounts, subscriptions and regions of Azure, of which there are none here": (
        "BadRequestSubscriptionApi",
        "BadRequestCannotMigrateProjectWithName",
        "BadRequestNotLimitedTrial",
        "BadRequestCustomerManagedKeyRevoked",
        "Forbidden",
        "ForbiddenUser",
        "ForbiddenUserResource",
        "ForbiddenUserSignupDisabled",
        "ForbiddenUserSignupAllowanceExceeded",
        "ForbiddenUserDoesNotExist",
        "ForbiddenUserDisabled",
        "ForbiddenUserInsufficientCapability",
        "ForbiddenDRModeEnabled",
        "NotFoundApimSubscription",
    ),
    "names of projects may repeat, and no operation duplicates a project": (
        "BadRequestProjectNameNotUnique",
        "BadRequestProjectDuplicated",
    ),
    "iterations have no description in these versions, and their name is all that can be changed": (
        "BadRequestIterationDescription",
        "BadRequestIterationValidationFailed",
    ),
    "the workspace is no iteration that clients could name": ("BadRequestWorkspaceNotDeletable",),
    "unpublishing is one transaction, which does not fail half-way": ("BadRequestUnpublishFailed",),
    "a narrower or wider code is said in its place": (
        "BadRequestUnsupportedDomain",  # BadRequestProjectUnknownDomain
        "BadRequestImageExceededCount",  # BadRequestExceededBatchSize, BadRequestExceededQuota
        "BadRequestTrainingValidationFailed",  # those of the kinds of projects
        "BadRequestClassificationTrainingValidationFailed",  # likewise
        "BadRequestOperationNotSupported",  # BadRequestNotSupported
        "NotFound",  # the gateway's 404
        "Conflict",  # the codes of what is in the way
    ),
    "told pair by pair, in `exceeded` of the answer or as the image's status": (
        "BadRequestExceedTagPerImageLimit",
    ),
    "trainings of an earlier emulator are as good as new ones, and none of its networks is retired": (
        "BadRequestTrainingNotNeededButTrainingPipelineUpdated",
        "BadRequestRetiredDomainNotSupportedForTraining",
        "BadRequestCustomBaseModelArchitectureRetired",
    ),
    "models of advanced training can be exported to every platform that those of their domain can": (
        "BadRequestExportPlatformNotSupportedForAdvancedTraining",
    ),
    "faults between the parts of a distributed service; here there is one process": (
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
        "ErrorPredictionServiceUnavailable",
        "ErrorPredictionModelNotFound",
        "ErrorPredictionModelNotCached",
        "ErrorPredictionStorage",
        "ErrorUnknownBaseModel",
        "ErrorServerTimeOut",
    ),
}


@pytest.mark.parametrize("code", PROVOCATIONS)
def test_a_code_happens(code: str, service: Service) -> None:
    status, told, message = refusal(PROVOCATIONS[code](service))
    family = next(family for family in _STATUS_BY_FAMILY if code.startswith(family))
    assert (told, status) == (code, _STATUS_BY_FAMILY[family])
    assert re.fullmatch(MESSAGES.get(code, r"[^\n]{8,400}"), message), message


def test_every_code_happens_or_is_known_to_be_impossible() -> None:
    impossible = [code for codes in CANNOT_HAPPEN.values() for code in codes]
    assert len(impossible) == len(set(impossible)), "a code is impossible for two reasons"
    assert set(impossible) & PROVOCATIONS.keys() == set()
    assert set(impossible) | PROVOCATIONS.keys() == ERROR_CODES


def test_no_source_says_a_code_that_is_called_impossible() -> None:
    folder = Path(emulator.__file__).parent
    sources = [path for part in ("api", "core", "contract") for path in (folder / part).rglob("*.py")]
    text = "".join(path.read_text("utf-8") for path in sources if path.name != "error_codes.py")
    said = set(re.findall(r'"([A-Z]\w+)"', text)) & ERROR_CODES
    assert said - PROVOCATIONS.keys() == set()
    assert len(said) > 60
