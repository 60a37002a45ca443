import { Badge, Text } from "@mantine/core";
import type { EmulatorTypes } from "../api/client";
import classes from "./datasets.module.css";

type Problem = EmulatorTypes["schemas"]["DataSetProblem"];

interface Props {
  label: string;
  problems: readonly Problem[];
  /** Problems that are not listed. */
  leftOut?: number;
}

/** Errors and notes about a data set, each with its file and line. */
export function ProblemList({ label, problems, leftOut = 0 }: Props) {
  const sorted = problems.toSorted((a, b) => Number(b.isError) - Number(a.isError));
  return (
    // It scrolls, so that it takes the focus.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className={classes.problems} role="group" aria-label={label} tabIndex={0}>
      <ul>
        {sorted.map((problem) => (
          <li key={`${problem.message} ${problem.file} ${problem.line}`}>
            <Badge size="sm" variant="light" color={problem.isError ? "red" : "gray"} flex="none">
              {problem.isError ? "error" : "note"}
            </Badge>
            <Text size="sm" className={classes.message}>
              {problem.message}
              {problem.count > 1 && ` (${problem.count.toLocaleString()} times)`}
              {problem.file !== null && (
                <Text component="span" size="sm" c="dimmed" display="block">
                  <bdi>{problem.file}</bdi>
                  {problem.line !== null && `, line ${problem.line.toLocaleString()}`}
                </Text>
              )}
            </Text>
          </li>
        ))}
      </ul>
      {leftOut > 0 && <Text size="sm">and {leftOut.toLocaleString()} more</Text>}
    </div>
  );
}
