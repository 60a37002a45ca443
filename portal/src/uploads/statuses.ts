/** The results of images of an upload in words. */
import { inWords, type ApiError } from "../api/errors";
import { TOO_LARGE, UNREADABLE } from "../lib/imageFiles";

/** Statuses after which another attempt can succeed. */
const PASSING = new Set<string>(["ErrorStorage", "ErrorUnknown", "ErrorSource"]);

export function isPassing(status: string): boolean {
  return PASSING.has(status);
}

const WORDS: Record<string, string> = {
  ErrorImageFormat: UNREADABLE,
  ErrorImageSize: TOO_LARGE,
  ErrorImageDimensions: "The image is too small, too large or too narrow.",
  ErrorTagLimitExceed: "The image would have more tags than are allowed.",
  ErrorRegionLimitExceed: "The image would have more than 300 boxes.",
  ErrorNegativeAndRegularTagOnSameImage: "A negative tag must be the only tag of an image.",
  ErrorLimitExceed: "The project has as many images as the tier allows.",
  ErrorInvalidTag: "The tag does not exist any more. It was perhaps deleted in another window.",
  ErrorStorage: "The image could not be stored. The disk of the emulator is perhaps full.",
  ErrorSource: "The image could not be fetched.",
  ErrorUnknown: "The emulator failed to handle the image.",
};

/**
 * Why an image was refused. `isMulticlass`: a second tag on an image that is in the project already is the usual
 * reason of ErrorTagLimitExceed there.
 */
export function refusal(status: string, isMulticlass: boolean): string {
  if (status === "ErrorTagLimitExceed" && isMulticlass)
    return "The image is in the project already, with another tag. A multiclass project has one tag for each image; nothing was changed.";
  return WORDS[status] ?? `The image was refused (${status}).`;
}

/** Why all images of a request were refused: the service refuses one without any image as a whole. */
export function refusalOfBatch(error: ApiError): string {
  return error.code === "BadRequestImageBatch" ? refusal("ErrorImageFormat", false) : inWords(error);
}

/** What became of an image that the project had already. `tagNames`: its tags now. */
export function duplicate(tagNames: readonly string[]): string {
  const tags = tagNames.length ? `It has the ${tagNames.length === 1 ? "tag" : "tags"} ${tagNames.join(", ")}.` : "It has no tag.";
  return `The project has this image already. ${tags}`;
}
