import { localUri } from "../../../api/client";
import { Overlay, type ShownBox } from "./Overlay";
import styles from "./overlay.module.css";

interface Props {
  uri: string;
  width: number;
  height: number;
  boxes: readonly ShownBox[];
  /** Describes the image; empty beside a description in text. */
  alt: string;
  named?: boolean;
}

/** An image as large as its frame allows, with boxes above it. */
export function BoxedImage({ uri, width, height, boxes, alt, named = false }: Props) {
  return (
    <span className={styles.frame}>
      <span
        className={styles.fitted}
        style={{ aspectRatio: `${width} / ${height}`, width: `min(100cqw, calc(100cqh * ${width / height}))` }}
      >
        <img src={localUri(uri)} alt={alt} loading="lazy" />
        <Overlay boxes={boxes} named={named} />
      </span>
    </span>
  );
}
