/** Images that the service would refuse, as JPEGs that it accepts. */
import { Problem } from "../api/errors";
import { MOST_BYTES } from "../lib/imageFiles";

/** The service scales images to 1,600 pixels; this leaves room for another decision. */
const LONGEST_SIDE = 4096;
const QUALITY = 0.92;
const SMALLER = 0.8;
const MOST_ATTEMPTS = 12;

/**
 * A JPEG of the image within the limit of 6 MB, upright whatever its EXIF orientation. Transparent parts become
 * white. Rejects when the browser cannot read the image.
 */
export async function scaledDown(file: Blob): Promise<Blob> {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  try {
    let scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const jpeg = await drawn(bitmap, scale);
      if (jpeg.size <= MOST_BYTES) return jpeg;
      scale *= SMALLER;
    }
  } finally {
    bitmap.close();
  }
  throw new Problem("The image cannot be made small enough.");
}

async function drawn(bitmap: ImageBitmap, scale: number): Promise<Blob> {
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) throw new Problem("The browser cannot draw the image.");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
}
