import { Progress } from "@mantine/core";

interface Props {
  label: string;
  /** Null while it is unknown: the bar is full and moves. */
  percent: number | null;
  size?: "sm" | "lg";
  /** What is done, where the percentage is unknown. */
  text?: string;
  /** Nothing is done yet: the bar is empty. */
  isWaiting?: boolean;
}

/** A bar whose value is only said where it is known, which that of Mantine alone does not do. */
export function ProgressBar({ label, percent, size = "sm", text, isWaiting = false }: Props) {
  const isUnknown = percent === null && !isWaiting;
  return (
    <Progress.Root size={size} transitionDuration={200}>
      <Progress.Section
        value={percent ?? (isWaiting ? 0 : 100)}
        animated={isUnknown}
        striped={isUnknown}
        withAria={false}
        role="progressbar"
        aria-label={label}
        {...(percent === null ? (text ? { "aria-valuetext": text } : {}) : { "aria-valuenow": percent, "aria-valuemin": 0, "aria-valuemax": 100 })}
      />
    </Progress.Root>
  );
}
