import "uplot/dist/uPlot.min.css";
import { useComputedColorScheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import styles from "./curves.module.css";

export interface Line {
  label: string;
  /** A color of Mantine: "blue". */
  color: string;
  dash?: number[];
  /** Marks the points of the line. */
  points?: boolean;
}

interface Props {
  /** Describes what the chart shows, for screen readers. */
  label: string;
  /** Rising x values, then the values of each line; fractions 0 to 1, null where there is none. */
  data: (number | null)[][];
  lines: readonly Line[];
  xLabel: string;
  yLabel: string;
  /** Whether the legend has values: those at the pointer, or else at the marked line. */
  hasValues?: boolean;
  /** A vertical line. */
  marked?: number;
  /** Called with the x value of a click. */
  onPick?: (x: number) => void;
}

const HEIGHT = 300;
/** Values that differ by less are equal: the model's have single precision. */
const EQUAL = 1e-6;

/** A chart of fractions over fractions. What it shows must be there as text, too. */
export function Chart({ label, data, lines, xLabel, yLabel, hasValues = false, marked, onPick }: Props) {
  const { ref, width } = useElementSize();
  const host = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme("light");
  const latest = useRef({ marked, onPick });
  const plot = useRef<uPlot>(null);

  useEffect(() => {
    latest.current = { marked, onPick };
    plot.current?.redraw(false);
    if (plot.current) showMarked(plot.current, marked);
  }, [marked, onPick]);

  useEffect(() => {
    const element = host.current;
    if (!element || width === 0) return;
    const color = (name: string) => getComputedStyle(element).getPropertyValue(`--mantine-color-${name}`).trim();
    const text = color("text");
    const grid = { stroke: color("default-border"), width: 1 };
    const axis = { stroke: text, grid, ticks: grid, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 22 };
    const percents = (_: uPlot, values: number[]) => values.map((value) => `${Math.round(value * 100)}%`);
    const drawMark = (self: uPlot) => {
      const at = latest.current.marked;
      if (at === undefined) return;
      const x = Math.round(self.valToPos(at, "x", true));
      const { ctx, bbox } = self;
      ctx.save();
      ctx.strokeStyle = text;
      ctx.setLineDash([4, 4]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.restore();
    };
    const made = new uPlot(
      {
        width,
        height: HEIGHT,
        scales: { x: { time: false, range: [0, 1] }, y: { range: [0, 1.02] } },
        axes: [
          { ...axis, label: xLabel, values: percents },
          { ...axis, label: yLabel, values: percents, size: 52 },
        ],
        series: [
          { label: xLabel, value: (_, value: number | null) => shown(value) },
          ...lines.map((line) => ({
            label: line.label,
            stroke: color(`${line.color}-${scheme === "dark" ? 4 : 7}`),
            width: 2,
            ...(line.dash ? { dash: line.dash } : {}),
            points: { show: line.points ?? false, size: 7 },
            value: (_: uPlot, value: number | null) => shown(value),
          })),
        ],
        cursor: { drag: { x: false, y: false }, y: false, ...(onPick ? {} : { x: false }) },
        legend: { live: hasValues },
        hooks: {
          draw: [drawMark],
          setCursor: [
            (self) => {
              if ((self.cursor.left ?? -1) < 0) showMarked(self, latest.current.marked);
            },
          ],
        },
      },
      data as uPlot.AlignedData,
      element,
    );
    made.over.addEventListener("click", () => {
      const left = made.cursor.left ?? -1;
      if (left >= 0) latest.current.onPick?.(Math.min(1, Math.max(0, made.posToVal(left, "x"))));
    });
    showMarked(made, latest.current.marked);
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = null;
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the chart is made again when what it shows changes
  }, [data, lines, width, scheme, xLabel, yLabel, hasValues]);

  return (
    <div ref={ref} className={styles.chart} data-picks={onPick ? true : undefined}>
      <div ref={host} role="img" aria-label={label} />
    </div>
  );
}

/** The legend has the values of the first point from the marked line on while the pointer is elsewhere. */
function showMarked(plot: uPlot, marked: number | undefined): void {
  const idx = marked === undefined ? -1 : plot.data[0].findIndex((x) => x >= marked - EQUAL);
  if (idx >= 0) plot.setLegend({ idx });
}

function shown(value: number | null): string {
  return value === null ? "–" : `${(value * 100).toFixed(1)}%`;
}
