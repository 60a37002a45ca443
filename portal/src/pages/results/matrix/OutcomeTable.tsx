import type { CellOf, ConfusionMatrix } from "../../../api/queries/insight";
import { cellText, cellTitle, OUTCOMES } from "../../../components/matrix/cell";
import { CountButton } from "../../../components/matrix/CountButton";
import styles from "../../../components/matrix/matrix.module.css";

/** Outcomes of each tag, where images can have several. */
export function OutcomeTable({ matrix, chosen, onChoose }: { matrix: ConfusionMatrix; chosen: CellOf | null; onChoose: (cell: CellOf) => void }) {
  const chosenText = chosen && cellText(chosen);
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a region that scrolls is reached by keyboard
    <div className={styles.scroller} role="region" aria-label="Outcomes of each tag" tabIndex={0}>
      <table className={styles.outcomes}>
        <thead>
          <tr>
            <th scope="col">Tag</th>
            {OUTCOMES.map((outcome) => (
              <th key={outcome.id} scope="col" title={`The tag ${outcome.text}`}>
                {outcome.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {matrix.perTag.map((tag) => (
            <tr key={tag.tagId}>
              <th scope="row" className={styles.row} title={tag.tagName}>
                {tag.tagName}
              </th>
              {OUTCOMES.map((outcome) => {
                const number = tag[outcome.field] ?? 0;
                const cell = { tagId: tag.tagId, outcome: outcome.id };
                return (
                  <td key={outcome.id}>
                    <CountButton
                      number={number}
                      label={cellTitle(cell, () => tag.tagName, false)}
                      aria-pressed={cellText(cell) === chosenText}
                      onClick={() => onChoose(cell)}
                    />
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
