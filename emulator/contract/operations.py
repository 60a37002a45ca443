"""Every operation of the service: name, method, path, first version, kind for rate limits, kind of body.

One table for all versions. The routers of `emulator.api` look up path and method by name. Paths are relative
to ``/customvision/v{version}/{training|prediction}``.
"""

import re
from typing import Literal, NamedTuple

from emulator.contract.versions import Api, Version

_PROJECT = "/projects/{projectId}"
_ITERATION = "/projects/{projectId}/iterations/{iterationId}"
# A published name may contain a slash (sent as %2F), hence the path convertor.
_PUBLISHED = "/{projectId}/%s/iterations/{publishedName:path}"


# Pricing tiers limit the rate of each kind of call separately.
CallKind = Literal["training", "prediction, stored", "prediction, not stored", "other"]
# What the largest bodies consist of: text alone, or one image, or a batch of images.
BodyKind = Literal["text", "image", "images"]
_BODY_KINDS: dict[str, BodyKind] = {
    "CreateImagesFromData": "images",
    "CreateImagesFromFiles": "images",
    "QuickTestImage": "image",
    "ClassifyImage": "image",
    "ClassifyImageWithNoStore": "image",
    "DetectImage": "image",
    "DetectImageWithNoStore": "image",
}

_PARAMETER = re.compile(r"/\{[^}]+\}")
_VERBS = {"GET": "read", "POST": "action", "PATCH": "write", "DELETE": "delete"}


class Operation(NamedTuple):
    name: str
    api: Api
    method: str
    path: str
    since: tuple[int, int] = (3, 0)
    call_kind: CallKind = "other"

    @property
    def body_kind(self) -> BodyKind:
        return _BODY_KINDS.get(self.name, "text")

    @property
    def data_action(self) -> str:
        """The permission that Azure's roles grant, such as ``projects/train/action``.

        It lacks the prefix ``Microsoft.CognitiveServices/accounts/CustomVision/``.
        """
        return f"{_PARAMETER.sub('', self.path).strip('/')}/{_VERBS[self.method]}"

    def exists_in(self, version: Version) -> bool:
        return version.number >= self.since


def _training(name: str, method: str, path: str, since: tuple[int, int] = (3, 0)) -> Operation:
    return Operation(name, "training", method, path, since, "training" if name == "TrainProject" else "other")


def _prediction(name: str, kind: str, rest: str) -> Operation:
    call_kind: CallKind = "prediction, not stored" if rest.endswith("nostore") else "prediction, stored"
    return Operation(name, "prediction", "POST", (_PUBLISHED % kind) + rest, call_kind=call_kind)


# A specific path precedes a general one that matches it too.
OPERATIONS: tuple[Operation, ...] = (
    _training("GetDomains", "GET", "/domains"),
    _training("GetDomain", "GET", "/domains/{domainId}"),
    _training("GetProjects", "GET", "/projects"),
    _training("CreateProject", "POST", "/projects"),
    _training("ImportProject", "POST", "/projects/import", (3, 2)),
    _training("GetProject", "GET", _PROJECT),
    _training("UpdateProject", "PATCH", _PROJECT),
    _training("DeleteProject", "DELETE", _PROJECT),
    _training("ExportProject", "GET", f"{_PROJECT}/export", (3, 2)),
    _training("GetArtifact", "GET", f"{_PROJECT}/artifacts", (3, 3)),
    _training("TrainProject", "POST", f"{_PROJECT}/train"),
    _training("CreateTag", "POST", f"{_PROJECT}/tags"),
    _training("GetTags", "GET", f"{_PROJECT}/tags"),
    _training("GetTag", "GET", f"{_PROJECT}/tags/{{tagId}}"),
    _training("UpdateTag", "PATCH", f"{_PROJECT}/tags/{{tagId}}"),
    _training("DeleteTag", "DELETE", f"{_PROJECT}/tags/{{tagId}}"),
    _training("CreateImagesFromData", "POST", f"{_PROJECT}/images"),
    _training("GetImages", "GET", f"{_PROJECT}/images", (3, 3)),
    _training("DeleteImages", "DELETE", f"{_PROJECT}/images"),
    _training("GetImageCount", "GET", f"{_PROJECT}/images/count", (3, 3)),
    _training("CreateImagesFromFiles", "POST", f"{_PROJECT}/images/files"),
    _training("CreateImagesFromUrls", "POST", f"{_PROJECT}/images/urls"),
    _training("CreateImagesFromPredictions", "POST", f"{_PROJECT}/images/predictions"),
    _training("GetTaggedImages", "GET", f"{_PROJECT}/images/tagged"),
    _training("GetTaggedImageCount", "GET", f"{_PROJECT}/images/tagged/count"),
    _training("GetUntaggedImages", "GET", f"{_PROJECT}/images/untagged"),
    _training("GetUntaggedImageCount", "GET", f"{_PROJECT}/images/untagged/count"),
    _training("GetImagesByIds", "GET", f"{_PROJECT}/images/id"),
    _training("UpdateImageMetadata", "POST", f"{_PROJECT}/images/metadata", (3, 3)),
    _training("CreateImageTags", "POST", f"{_PROJECT}/images/tags"),
    _training("DeleteImageTags", "DELETE", f"{_PROJECT}/images/tags"),
    _training("CreateImageRegions", "POST", f"{_PROJECT}/images/regions"),
    _training("DeleteImageRegions", "DELETE", f"{_PROJECT}/images/regions"),
    _training("QuerySuggestedImages", "POST", f"{_PROJECT}/images/suggested", (3, 1)),
    _training("QuerySuggestedImageCount", "POST", f"{_PROJECT}/images/suggested/count", (3, 1)),
    _training("GetImageRegionProposals", "POST", f"{_PROJECT}/images/{{imageId}}/regionproposals"),
    _training("SuggestTagsAndRegions", "POST", f"{_PROJECT}/tagsandregions/suggestions", (3, 1)),
    _training("GetIterations", "GET", f"{_PROJECT}/iterations"),
    _training("GetIteration", "GET", _ITERATION),
    _training("UpdateIteration", "PATCH", _ITERATION),
    _training("DeleteIteration", "DELETE", _ITERATION),
    _training("GetIterationPerformance", "GET", f"{_ITERATION}/performance"),
    _training("GetImagePerformances", "GET", f"{_ITERATION}/performance/images"),
    _training("GetImagePerformanceCount", "GET", f"{_ITERATION}/performance/images/count"),
    _training("PublishIteration", "POST", f"{_ITERATION}/publish"),
    _training("UnpublishIteration", "DELETE", f"{_ITERATION}/publish"),
    _training("ExportIteration", "POST", f"{_ITERATION}/export"),
    _training("GetExports", "GET", f"{_ITERATION}/export"),
    _training("QuickTestImage", "POST", f"{_PROJECT}/quicktest/image"),
    _training("QuickTestImageUrl", "POST", f"{_PROJECT}/quicktest/url"),
    _training("QueryPredictions", "POST", f"{_PROJECT}/predictions/query"),
    _training("DeletePrediction", "DELETE", f"{_PROJECT}/predictions"),
    _prediction("ClassifyImage", "classify", "/image"),
    _prediction("ClassifyImageWithNoStore", "classify", "/image/nostore"),
    _prediction("ClassifyImageUrl", "classify", "/url"),
    _prediction("ClassifyImageUrlWithNoStore", "classify", "/url/nostore"),
    _prediction("DetectImage", "detect", "/image"),
    _prediction("DetectImageWithNoStore", "detect", "/image/nostore"),
    _prediction("DetectImageUrl", "detect", "/url"),
    _prediction("DetectImageUrlWithNoStore", "detect", "/url/nostore"),
)

BY_NAME: dict[str, Operation] = {operation.name: operation for operation in OPERATIONS}
