/** What files the service accepts as images, and the sentences about others. */

/** Largest file of an image that the service accepts. */
export const MOST_BYTES = 6 * 1024 * 1024;
export const TOO_LARGE = "The image is larger than 6 MB.";
export const OTHER_FORMAT = "This is not an image in a supported format: JPEG, PNG, BMP or GIF.";
/** For files of any format: an image can be damaged, too. */
export const UNREADABLE = "This is not an image that can be read: JPEG, PNG, BMP and GIF are supported.";
