import { tagStroke } from "../../../components/tagColors";
import styles from "./overlay.module.css";

/** A box above an image, in fractions of it: with solid lines a label, with dashed ones a prediction. */
export interface ShownBox {
  tagId: string;
  name: string;
  box: { left: number; top: number; width: number; height: number };
  dashed: boolean;
  /** Marked at its name. */
  isWrong?: boolean;
}

/** Boxes above an image that fills the same element. `named`: with their names, those of dashed ones below. */
export function Overlay({ boxes, named = false }: { boxes: readonly ShownBox[]; named?: boolean }) {
  return (
    <>
      <svg className={styles.overlay} viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden>
        {boxes.map(({ box, tagId, dashed }, index) => (
          <g key={index}>
            <rect className={styles.shade} x={box.left} y={box.top} width={box.width} height={box.height} />
            <rect
              className={styles.box}
              data-dashed={dashed || undefined}
              x={box.left}
              y={box.top}
              width={box.width}
              height={box.height}
              stroke={tagStroke(tagId)}
            />
          </g>
        ))}
      </svg>
      {named &&
        boxes.map(({ box, name, isWrong, dashed }, index) => (
          <span
            key={index}
            aria-hidden
            className={styles.name}
            data-wrong={isWrong || undefined}
            data-below={dashed || undefined}
            style={{ left: `${box.left * 100}%`, top: `${(dashed ? box.top + box.height : box.top) * 100}%` }}
          >
            {name}
          </span>
        ))}
    </>
  );
}
