import { useRef, type KeyboardEvent } from "react";
import type { CellOf } from "../../api/queries/insight";
import { CountButton } from "./CountButton";
import { axes, cellText, cellTitle, isEmptyRow, nextCell, share, type Matrix } from "./cell";
import styles from "./matrix.module.css";

interface Props {
  matrix: Matrix;
  counts: number[][];
  chosen: CellOf | null;
  onChoose: (cell: CellOf) => void;
}

const ARROWS: Record<string, [number, number]> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** A confusion matrix: rows are what is there, columns what was predicted; a number leads to its images. Arrow keys go from number to number; the table is one stop of Tab. */
export function MatrixTable({ matrix, counts, chosen, onChoose }: Props) {
  const table = useRef<HTMLTableElement>(null);
  const { rows, columns } = axes(matrix);
  const names = new Map(matrix.tags.map((tag) => [tag.id, tag.name]));
  const chosenText = chosen && cellText(chosen);
  const stop = firstStop(counts, rows, columns, chosenText);

  function move(event: KeyboardEvent<HTMLElement>): void {
    const direction = ARROWS[event.key];
    const place = (event.target as HTMLElement).dataset.place?.split(" ").map(Number);
    if (!direction || place?.[0] === undefined || place[1] === undefined) return;
    event.preventDefault();
    const next = nextCell(counts, place[0], place[1], ...direction);
    if (next) table.current?.querySelector<HTMLElement>(`[data-place="${next.join(" ")}"]`)?.focus();
  }

  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a region that scrolls is reached by keyboard
    <div className={styles.scroller} role="region" aria-label="Confusion matrix" tabIndex={0}>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- arrows between its buttons */}
      <table ref={table} className={styles.matrix} data-own-keys data-dense={columns.length > 16 || undefined} onKeyDown={move}>
        <thead>
          <tr>
            <th scope="col" className={styles.corner}>
              Actual \ predicted
            </th>
            {columns.map((column) => (
              <th key={column.id} scope="col" className={styles.column} title={column.name}>
                <span>{column.name}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(
            (row, r) =>
              !isEmptyRow(matrix, r) && (
                <tr key={row.id}>
                  <th scope="row" className={styles.row} title={row.name}>
                    {row.name}
                  </th>
                  {columns.map((column, c) => {
                    const number = counts[r]?.[c] ?? 0;
                    const cell = { actual: row.id, predicted: column.id };
                    const text = cellText(cell);
                    const percentage = Math.round(10 + share(counts[r] ?? [], c) * 60);
                    return (
                      <td key={column.id} data-right={row.id === column.id || undefined}>
                        <CountButton
                          number={number}
                          label={cellTitle(cell, (id) => names.get(id) ?? "", matrix.type === "ObjectDetection")}
                          data-place={`${r} ${c}`}
                          tabIndex={text === stop ? 0 : -1}
                          aria-pressed={text === chosenText}
                          style={{ "--share": `${percentage}%` } as React.CSSProperties}
                          onClick={() => onChoose(cell)}
                        />
                      </td>
                    );
                  })}
                </tr>
              ),
          )}
        </tbody>
      </table>
    </div>
  );
}

/** The cell that Tab reaches: the chosen one, or the first with a number. */
function firstStop(counts: number[][], rows: { id: string }[], columns: { id: string }[], chosen: string | null): string | null {
  const texts = counts.flatMap((row, r) =>
    row.flatMap((number, c) => (number > 0 ? [cellText({ actual: rows[r]?.id ?? "", predicted: columns[c]?.id ?? "" })] : [])),
  );
  return chosen && texts.includes(chosen) ? chosen : (texts[0] ?? null);
}
