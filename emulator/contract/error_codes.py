"""Error codes of the contract, the HTTP status of each, and the codes that older versions send instead."""

from emulator.contract.versions import Version

# The codes of Training 3.4-preview; a test compares them with `api_spec/`.
ERROR_CODES = frozenset(
    {
        "NoError",
        "BadRequest",
        "BadRequestExceededBatchSize",
        "BadRequestNotSupported",
        "BadRequestInvalidIds",
        "BadRequestProjectName",
        "BadRequestProjectNameNotUnique",
        "BadRequestProjectDescription",
        "BadRequestProjectUnknownDomain",
        "BadRequestProjectUnknownClassification",
        "BadRequestProjectUnsupportedDomainTypeChange",
        "BadRequestProjectUnsupportedExportPlatform",
        "BadRequestProjectImagePreprocessingSettings",
        "BadRequestProjectDuplicated",
        "BadRequestIterationName",
        "BadRequestIterationNameNotUnique",
        "BadRequestIterationDescription",
        "BadRequestIterationIsNotTrained",
        "BadRequestIterationValidationFailed",
        "BadRequestWorkspaceCannotBeModified",
        "BadRequestWorkspaceNotDeletable",
        "BadRequestTagName",
        "BadRequestTagNameNotUnique",
        "BadRequestTagDescription",
        "BadRequestTagType",
        "BadRequestMultipleNegativeTag",
        "BadRequestMultipleGeneralProductTag",
        "BadRequestImageTags",
        "BadRequestImageRegions",
        "BadRequestNegativeAndRegularTagOnSameImage",
        "BadRequestUnsupportedDomain",
        "BadRequestRequiredParamIsNull",
        "BadRequestIterationIsPublished",
        "BadRequestInvalidPublishName",
        "BadRequestInvalidPublishTarget",
        "BadRequestUnpublishFailed",
        "BadRequestIterationNotPublished",
        "BadRequestSubscriptionApi",
        "BadRequestExceedProjectLimit",
        "BadRequestExceedIterationPerProjectLimit",
        "BadRequestExceedTagPerProjectLimit",
        "BadRequestExceedTagPerImageLimit",
        "BadRequestExceededQuota",
        "BadRequestCannotMigrateProjectWithName",
        "BadRequestNotLimitedTrial",
        "BadRequestImageBatch",
        "BadRequestImageStream",
        "BadRequestImageUrl",
        "BadRequestImageFormat",
        "BadRequestImageSizeBytes",
        "BadRequestImageDimensions",
        "BadRequestImageAspectRatio",
        "BadRequestImageExceededCount",
        "BadRequestTrainingNotNeeded",
        "BadRequestTrainingNotNeededButTrainingPipelineUpdated",
        "BadRequestTrainingValidationFailed",
        "BadRequestClassificationTrainingValidationFailed",
        "BadRequestMultiClassClassificationTrainingValidationFailed",
        "BadRequestMultiLabelClassificationTrainingValidationFailed",
        "BadRequestDetectionTrainingValidationFailed",
        "BadRequestTrainingAlreadyInProgress",
        "BadRequestDetectionTrainingNotAllowNegativeTag",
        "BadRequestInvalidEmailAddress",
        "BadRequestRetiredDomainNotSupportedForTraining",
        "BadRequestDomainNotSupportedForAdvancedTraining",
        "BadRequestExportPlatformNotSupportedForAdvancedTraining",
        "BadRequestReservedBudgetInHoursNotEnoughForAdvancedTraining",
        "BadRequestCustomBaseModelIterationStatusNotCompleted",
        "BadRequestCustomBaseModelDomainNotCompatible",
        "BadRequestCustomBaseModelArchitectureRetired",
        "BadRequestExportValidationFailed",
        "BadRequestExportAlreadyInProgress",
        "BadRequestPredictionIdsMissing",
        "BadRequestPredictionIdsExceededCount",
        "BadRequestPredictionTagsExceededCount",
        "BadRequestPredictionResultsExceededCount",
        "BadRequestPredictionInvalidApplicationName",
        "BadRequestPredictionInvalidQueryParameters",
        "BadRequestInvalidImportToken",
        "BadRequestExportWhileTraining",
        "BadRequestImageMetadataKey",
        "BadRequestImageMetadataValue",
        "BadRequestOperationNotSupported",
        "BadRequestInvalidArtifactUri",
        "BadRequestCustomerManagedKeyRevoked",
        "BadRequestInvalidUri",
        "BadRequestInvalid",
        "UnsupportedMediaType",
        "Forbidden",
        "ForbiddenUser",
        "ForbiddenUserResource",
        "ForbiddenUserSignupDisabled",
        "ForbiddenUserSignupAllowanceExceeded",
        "ForbiddenUserDoesNotExist",
        "ForbiddenUserDisabled",
        "ForbiddenUserInsufficientCapability",
        "ForbiddenDRModeEnabled",
        "ForbiddenInvalid",
        "NotFound",
        "NotFoundProject",
        "NotFoundProjectDefaultIteration",
        "NotFoundIteration",
        "NotFoundIterationPerformance",
        "NotFoundTag",
        "NotFoundImage",
        "NotFoundDomain",
        "NotFoundApimSubscription",
        "NotFoundInvalid",
        "Conflict",
        "ConflictInvalid",
        "ErrorUnknown",
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
        "ErrorPrediction",
        "ErrorPredictionStorage",
        "ErrorRegionProposal",
        "ErrorUnknownBaseModel",
        "ErrorServerTimeOut",
        "ErrorInvalid",
    }
)
# The same without the one of success.
FAILURE_CODES = ERROR_CODES - {"NoError"}

# The service's codes begin with the name of a family, which determines the status.
_STATUS_BY_FAMILY = (
    ("BadRequest", 400),
    ("Forbidden", 403),
    ("NotFound", 404),
    ("Conflict", 409),
    ("UnsupportedMediaType", 415),
)
_STATUS_BY_CODE = {
    # The server works, but has no capacity or no space for this request.
    "ErrorPredictionServiceUnavailable": 503,
    "ErrorFeaturizationServiceUnavailable": 503,
    "ErrorPredictionStorage": 507,
    "ErrorServerTimeOut": 503,
}


def http_status(code: str) -> int:
    """The HTTP status that carries `code`; 500 for the codes of the family ``Error``."""
    if code in _STATUS_BY_CODE:
        return _STATUS_BY_CODE[code]
    for family, status in _STATUS_BY_FAMILY:
        if code.startswith(family):
            return status
    return 500


# Codes added by a version: the first version by API (other APIs never have the code), and the code before.
_LATER_CODES: dict[str, tuple[dict[str, tuple[int, int]], str]] = {
    "BadRequestImageAspectRatio": ({"training": (3, 4)}, "BadRequestImageDimensions"),
    "BadRequestImageDimensions": ({"training": (3, 3), "prediction": (3, 1)}, "BadRequestImageFormat"),
    "BadRequestInvalidUri": ({"training": (3, 4)}, "BadRequest"),
    "BadRequestMultipleGeneralProductTag": ({"training": (3, 3)}, "BadRequestTagType"),
    "BadRequestProjectImagePreprocessingSettings": ({"training": (3, 1)}, "BadRequest"),
}


def code_for(code: str, version: Version) -> str:
    """`code`, or the code that `version` has instead."""
    while code in _LATER_CODES:
        since, older = _LATER_CODES[code]
        if version.api in since and version.number >= since[version.api]:
            break
        code = older
    return code
