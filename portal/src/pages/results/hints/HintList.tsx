import { useEffect, useRef } from "react";
import type { LabelHint } from "../../../api/queries/insight";
import { localUri } from "../../../api/client";
import styles from "./hints.module.css";
import { proposal } from "./sentence";

/** The hints as a list of thumbnails. */
export function HintList({ hints, index, onChoose }: { hints: readonly LabelHint[]; index: number; onChoose: (index: number) => void }) {
  const current = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    current.current?.scrollIntoView({ block: "nearest" });
  }, [index]);
  return (
    <ol className={styles.list} aria-label="Hints">
      {hints.map((hint, place) => (
        <li key={hint.id}>
          <button
            ref={place === index ? current : undefined}
            type="button"
            className={styles.item}
            aria-current={place === index ? "true" : undefined}
            onClick={() => onChoose(place)}
          >
            <img src={localUri(hint.thumbnailUri)} alt="" loading="lazy" />
            <span className={styles.itemText}>
              <span>{hint.tags.map((tag) => tag.tagName).join(", ") || "no tag"}</span>
              <span className={styles.itemProposal}>{hint.issues[0] && proposal(hint.issues[0]).button}</span>
            </span>
          </button>
        </li>
      ))}
    </ol>
  );
}
