import { Badge, Button, Group, NumberInput, Select, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { body, emulator } from "../../../api/client";
import { cacheKeys } from "../../../api/keys";
import { Section } from "../../../components/Section";
import { Loaded } from "../../../components/states";
import { useAct } from "../useAct";

const UNITS = [
  { value: "1", label: "seconds" },
  { value: "60", label: "minutes" },
  { value: "3600", label: "hours" },
  { value: "86400", label: "days" },
];
const POLL_MS = 1000;

/** The clock of the emulator: reading, freezing, advancing, and back to real time. */
export function Clock() {
  const clock = useQuery({
    queryKey: cacheKeys.clock,
    queryFn: ({ signal }) => body(emulator.GET("/_emulator/clock", { signal })),
    refetchInterval: (query) => (query.state.data?.frozen ? false : POLL_MS),
  });
  const { act, isBusy } = useAct([cacheKeys.clock, cacheKeys.info]);
  const [amount, setAmount] = useState<string | number>(1);
  const [unit, setUnit] = useState("3600");
  const seconds = Number(amount) * Number(unit);

  return (
    <Section title="Clock">
      <Loaded query={clock}>
        {({ now, frozen }) => (
          <>
            <Group gap="sm">
              <Text ff="monospace">{now.replace("T", " ").replace(/\.\d+Z$/, "")} UTC</Text>
              {frozen && (
                <Badge variant="light">
                  Frozen
                </Badge>
              )}
            </Group>
            <Group align="flex-end" gap="sm">
              <NumberInput label="Advance by" value={amount} onChange={setAmount} min={0} w={120} />
              <Select data={UNITS} value={unit} onChange={(value) => setUnit(value ?? "1")} allowDeselect={false} w={130} aria-label="Unit" />
              <Button
                variant="default"
                disabled={!(seconds > 0)}
                loading={isBusy}
                onClick={() =>
                  void act("The clock is advanced.", "The clock could not be advanced", () =>
                    emulator.POST("/_emulator/clock/advance", { body: { seconds } }),
                  )
                }
              >
                Advance
              </Button>
              <Button
                variant="default"
                loading={isBusy}
                onClick={() =>
                  void act(frozen ? "The clock continues." : "The clock is frozen.", "The clock could not be changed", () =>
                    emulator.PUT("/_emulator/clock", { body: { frozen: !frozen } }),
                  )
                }
              >
                {frozen ? "Continue" : "Freeze"}
              </Button>
              <Button
                variant="default"
                loading={isBusy}
                onClick={() =>
                  void act("The clock shows the real time.", "The clock could not be changed", () => emulator.DELETE("/_emulator/clock"))
                }
              >
                Real time
              </Button>
            </Group>
            <Text size="sm" c="dimmed">
              Expiry of predictions and addresses, times of creation and quotas follow this clock. It never goes back, except to the
              real time.
            </Text>
          </>
        )}
      </Loaded>
    </Section>
  );
}
