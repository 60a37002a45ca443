"""Errors of images, their tags, regions and metadata."""

import base64

import httpx

from emulator.core.rules import limits
from tests.contract_chain.error_cases.registry import raises_code
from tests.support import detection
from tests.support.harness import NOWHERE, Service
from tests.support.images import pictures


@raises_code("BadRequestImageBatch", "No valid image files")
def batch_without_valid_images(service: Service) -> httpx.Response:
    body = {"images": [{"name": "a", "contents": base64.b64encode(b"not an image").decode()}]}
    return service.send("POST", f"{service.project()}/images/files", json=body)


@raises_code("BadRequestImageStream")
def truncated_form(service: Service) -> httpx.Response:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return service.send("POST", f"{service.project()}/images", content=b"--b\r\n", headers=headers)


@raises_code("BadRequestImageTags")
def empty_batch_of_image_tags(service: Service) -> httpx.Response:
    return service.send("POST", f"{service.project()}/images/tags", json={"tags": []})


@raises_code("BadRequestNegativeAndRegularTagOnSameImage")
def negative_and_regular_tag(service: Service) -> httpx.Response:
    project = service.project()
    regular, negative = service.tag(project, "red"), service.tag(project, "none", "Negative")
    (image,) = service.images(project, pictures(1), regular)
    pair = {"imageId": image, "tagId": negative}
    return service.send("POST", f"{project}/images/tags", json={"tags": [pair]})


@raises_code("BadRequestImageRegions", "Duplicate image regions")
def duplicate_region(service: Service) -> httpx.Response:
    project = detection.detection_project(service)
    tag = service.tag(project, "fork")
    (image,) = service.images(project, pictures(1))
    twice = {"regions": [detection.on(image, tag)] * 2}
    return service.send("POST", f"{project}/images/regions", json=twice)


@raises_code("BadRequestImageMetadataKey")
def metadata_key_too_long(service: Service) -> httpx.Response:
    project = service.project()
    (image,) = service.images(project, pictures(1))
    pairs = {"x" * (limits.METADATA_LIMITS.key_length + 1): "y"}
    return service.send("POST", f"{project}/images/metadata", params={"imageIds": image}, json=pairs)


@raises_code("BadRequestImageMetadataValue")
def metadata_value_too_long(service: Service) -> httpx.Response:
    project = service.project()
    (image,) = service.images(project, pictures(1))
    pairs = {"x": "y" * (limits.METADATA_LIMITS.value_length + 1)}
    return service.send("POST", f"{project}/images/metadata", params={"imageIds": image}, json=pairs)


@raises_code("NotFoundImage")
def proposals_for_a_missing_image(service: Service) -> httpx.Response:
    return service.send("POST", f"{service.project()}/images/{NOWHERE}/regionproposals")


@raises_code("ErrorRegionProposal")
def proposals_without_a_model(service: Service) -> httpx.Response:
    project = service.project()
    (image,) = service.images(project, pictures(1))
    service.proposal_worker.failures.append(RuntimeError("no model"))
    return service.send("POST", f"{project}/images/{image}/regionproposals")
