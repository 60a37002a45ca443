import { useDebouncedValue } from "@mantine/hooks";
import type { MappedImage } from "../../api/queries/insight";
import { thumbnailOf, useImage } from "../../api/queries/images";
import { toPixels, type Size, type View } from "./geometry";
import styles from "./map.module.css";

/** Images under a moving pointer are not asked for. */
const SETTLE_MS = 60;

/** The image under the pointer. */
export function Preview({ projectId, image, view, size }: { projectId: string; image: MappedImage; view: View; size: Size }) {
  const [id] = useDebouncedValue(image.id, SETTLE_MS);
  const shown = useImage(projectId, id).data;
  const { x, y } = toPixels(view, image);
  if (!shown || shown.id !== image.id) return null;
  const names = (shown.tags ?? []).map((tag) => tag.tagName).join(", ");
  return (
    <div
      className={styles.preview}
      style={{
        ...(x < size.width / 2 ? { left: x + 16 } : { right: size.width - x + 16 }),
        ...(y < size.height / 2 ? { top: y + 8 } : { bottom: size.height - y + 8 }),
      }}
    >
      <img src={thumbnailOf(shown)} alt="" />
      <bdi>{names || "no tag"}</bdi>
    </div>
  );
}
