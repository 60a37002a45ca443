/** Drawing the map on a canvas. */
import type { MappedImage } from "../../api/queries/insight";
import type { Place, Size, View } from "./geometry";
import { markOf, type Mark } from "./marks";

interface Scene {
  images: readonly MappedImage[];
  marks: ReadonlyMap<string, Mark>;
  selected: ReadonlySet<string>;
  pointed: string | null;
  view: View;
  lasso: readonly Place[];
}

/** Marks are smaller where there are many. */
function markScale(count: number): number {
  return count > 20_000 ? 0.45 : count > 3_000 ? 0.65 : 1;
}

export function draw(context: CanvasRenderingContext2D, size: Size, scene: Scene): void {
  const { images, marks, selected, view, lasso, pointed } = scene;
  const ratio = window.devicePixelRatio;
  const style = getComputedStyle(context.canvas);
  const colorOf = (name: string) => style.getPropertyValue(name).trim();
  const text = colorOf("--mantine-color-text");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, size.width, size.height);
  const grown = Math.min(1.6, Math.sqrt(view.scale / Math.max(1, Math.min(size.width, size.height))));
  const scale = markScale(images.length) * Math.max(1, grown);
  const paths = new Map<Mark, { path: Path2D; color: string }>();
  const put = (image: MappedImage, bigger = 1) => {
    const x = image.x * view.scale + view.left;
    const y = image.y * view.scale + view.top;
    if (x < -12 || y < -12 || x > size.width + 12 || y > size.height + 12) return false;
    const zoom = ratio * scale * bigger;
    context.setTransform(zoom, 0, 0, zoom, x * ratio, y * ratio);
    return true;
  };
  const markWith = (image: MappedImage) => {
    const mark = markOf(image.tagIds, marks);
    let made = paths.get(mark);
    if (!made) paths.set(mark, (made = { path: new Path2D(mark.path), color: colorOf(mark.color) }));
    return made;
  };
  const dimmed = selected.size > 0;
  for (const chosen of [false, true])
    for (const image of images) {
      if (selected.has(image.id) !== chosen || !put(image, chosen ? 1.25 : 1)) continue;
      const { path, color } = markWith(image);
      context.globalAlpha = dimmed && !chosen ? 0.45 : 0.9;
      context.fillStyle = color;
      context.fill(path, "evenodd");
      if (chosen) {
        context.strokeStyle = text;
        context.lineWidth = 1.4;
        context.stroke(path);
      }
    }
  context.globalAlpha = 1;
  const there = pointed === null ? undefined : images.find((image) => image.id === pointed);
  if (there && put(there, 1.8)) {
    context.strokeStyle = text;
    context.lineWidth = 1;
    context.stroke(markWith(there).path);
  }
  if (lasso.length > 1) {
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.beginPath();
    for (const { x, y } of lasso) context.lineTo(x, y);
    context.closePath();
    context.fillStyle = colorOf("--mantine-primary-color-light");
    context.fill();
    context.strokeStyle = colorOf("--mantine-primary-color-filled");
    context.setLineDash([5, 4]);
    context.stroke();
    context.setLineDash([]);
  }
}
