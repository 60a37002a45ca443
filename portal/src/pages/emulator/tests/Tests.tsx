import { Stack } from "@mantine/core";
import { Clock } from "./Clock";
import { Faults } from "./Faults";

/** What test suites set: the clock, and calls that fail on purpose. */
export default function Tests() {
  return (
    <Stack gap="xl">
      <Clock />
      <Faults />
    </Stack>
  );
}
