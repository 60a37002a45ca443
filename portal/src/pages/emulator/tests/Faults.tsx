import { Button, Group, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { body, emulator, type EmulatorTypes } from "../../../api/client";
import { cacheKeys } from "../../../api/keys";
import { useConfirm } from "../../../components/confirm";
import { Section } from "../../../components/Section";
import { Loaded } from "../../../components/states";
import { useAct } from "../useAct";
import styles from "../emulator.module.css";

type Scenario = EmulatorTypes["schemas"]["FaultScenario"];
const POLL_MS = 3000;

/** Calls that fail on purpose, as test suites have set them. */
export function Faults() {
  const faults = useQuery({
    queryKey: cacheKeys.faults,
    queryFn: ({ signal }) => body(emulator.GET("/_emulator/faults", { signal })),
    refetchInterval: POLL_MS,
  });
  const { act, isBusy } = useAct([cacheKeys.faults]);
  const { ask, dialog } = useConfirm();

  async function clear() {
    const agreed = await ask({
      title: "Delete all faults?",
      message: "Calls succeed again. A test that runs now may fail without them.",
      action: "Delete all faults",
      danger: true,
    });
    if (agreed) await act("There are no faults.", "The faults could not be deleted", () => emulator.DELETE("/_emulator/faults"));
  }

  return (
    <Section title="Faults">
      <Loaded query={faults}>
        {({ scenarios }) =>
          scenarios.length === 0 ? (
            <Text size="sm" c="dimmed">
              No call fails on purpose. Test suites set faults with the control API (POST /_emulator/faults) or their test kit.
            </Text>
          ) : (
            <>
              <Group>
                <Button variant="default" onClick={() => void clear()} loading={isBusy}>
                  Delete all faults
                </Button>
              </Group>
              <Table aria-label="Faults" verticalSpacing={4}>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th scope="col">Operation</Table.Th>
                    <Table.Th scope="col">Client</Table.Th>
                    <Table.Th scope="col">Steps</Table.Th>
                    <Table.Th scope="col" className={styles.number}>
                      Calls
                    </Table.Th>
                    <Table.Th scope="col">State</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {scenarios.map((each) => (
                    <Table.Tr key={each.id}>
                      <Table.Td>{each.operation === "*" ? "All operations" : each.operation}</Table.Td>
                      <Table.Td>{each.client ?? "All"}</Table.Td>
                      <Table.Td>{stepsOf(each)}</Table.Td>
                      <Table.Td className={styles.number}>{each.calls.toLocaleString()}</Table.Td>
                      <Table.Td>{each.allUsed ? "Used up" : "Active"}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </>
          )
        }
      </Loaded>
      {dialog}
    </Section>
  );
}

/** "status 503 ×2, then pass"; of random ones their probability. */
function stepsOf({ steps, random }: Scenario): string {
  const shown = steps
    .map(({ kind, status, used, remaining }) => {
      const times = used + (remaining ?? 0);
      return `${kind}${kind === "status" && status !== undefined ? ` ${status}` : ""}${times > 1 ? ` ×${times}` : ""}`;
    })
    .join(", then ");
  if (!random) return shown;
  return `at random, ${Math.round(random.probability * 100)}% of the calls${shown ? `: ${shown}` : ""}`;
}
