import type { CurvePoint } from "../../../api/queries/insight";
import { percent } from "../../../lib/format";
import styles from "./curves.module.css";
import { f1, pointAt } from "./figures";

const THRESHOLDS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/** The values of the chart at round thresholds. */
export function PointTable({ points }: { points: readonly CurvePoint[] }) {
  return (
    <details className={styles.details}>
      <summary>Values as a table</summary>
      <table className={styles.table}>
        <thead>
          <tr>
            <th scope="col">Threshold</th>
            <th scope="col">Precision</th>
            <th scope="col">Recall</th>
            <th scope="col">F1</th>
          </tr>
        </thead>
        <tbody>
          {THRESHOLDS.map((threshold) => {
            const point = pointAt(points, threshold);
            return (
              <tr key={threshold}>
                <th scope="row">{Math.round(threshold * 100)}%</th>
                <td>{percent(point?.precision)}</td>
                <td>{percent(point?.recall)}</td>
                <td>{percent(point && f1(point))}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </details>
  );
}
