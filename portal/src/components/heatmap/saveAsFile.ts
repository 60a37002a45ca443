/** An image with its heat map as a file. */
import { Problem } from "../../api/errors";

function loaded(src: string): Promise<HTMLImageElement> {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Problem("The image cannot be read."));
    image.src = src;
  });
}

/** Save the image and the overlay, drawn with an opacity of 0 to 1, as a PNG in the size of the image. Rejects with a Problem. */
export async function saveAsFile(src: string, overlay: string, opacity: number, name: string): Promise<void> {
  const [image, layer] = await Promise.all([loaded(src), loaded(overlay)]);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d");
  if (context === null) throw new Problem("The browser cannot draw the image.");
  context.drawImage(image, 0, 0);
  context.globalAlpha = opacity;
  context.drawImage(layer, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (blob === null) throw new Problem("The image is too large for a file of the browser.");
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** The name of the file: that of the image without its ending, and what is mapped. */
export function fileName(image: string, tag: string): string {
  const stem = image.replace(/^.*[/\\]/, "").replace(/\.[a-z]{3,4}$/i, "");
  return `${stem || "image"}-heat-map-${tag}`.replaceAll(/[^\p{L}\p{N}._-]+/gu, "-").slice(0, 120) + ".png";
}
