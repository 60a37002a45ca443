import { Button, Group, Kbd, Modal, Stack, Switch, Table, Text, Title } from "@mantine/core";
import { useEffect, useState } from "react";
import { ACTIONS, RESERVED, SCOPES, type Scope } from "./actions";
import { changeBindings, conflicts, keysOf, pressed, resetBindings, shownKey, useBindings } from "./bindings";

/** The table of all keys, where each can be changed. */
export function KeyHelp({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const bindings = useBindings();
  const [recording, setRecording] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    if (recording === null) return;
    const onKey = (event: KeyboardEvent) => {
      if (["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key === "Escape") {
        setRecording(null);
        return;
      }
      const key = pressed(event);
      const used = conflicts(recording, event, bindings);
      if (RESERVED.has(key)) setProblem(`${shownKey(key)} belongs to the browser.`);
      else if (used.length) setProblem(`${shownKey(key)} is the key of '${ACTIONS[used[0] ?? ""]?.label ?? ""}'.`);
      else {
        setProblem(null);
        changeBindings({ ...bindings, changed: { ...bindings.changed, [recording]: [key] } });
        setRecording(null);
      }
    };
    window.addEventListener("keydown", onKey, { capture: true });
    return () => window.removeEventListener("keydown", onKey, { capture: true });
  }, [recording, bindings]);

  return (
    <Modal opened={opened} onClose={onClose} title="Keys" size="xl" closeOnEscape={recording === null}>
      <Stack>
        <Group justify="space-between">
          <Switch
            label="Keys without Ctrl or Alt"
            checked={bindings.singleKeys}
            onChange={(event) => changeBindings({ ...bindings, singleKeys: event.currentTarget.checked })}
          />
          <Button variant="default" size="xs" onClick={resetBindings}>
            Restore all defaults
          </Button>
        </Group>
        {(Object.keys(SCOPES) as Scope[]).map((scope) => (
          <section key={scope} aria-label={SCOPES[scope]}>
            <Title order={3} size="h5">
              {SCOPES[scope]}
            </Title>
            <Table verticalSpacing={4}>
              <Table.Tbody>
                {Object.entries(ACTIONS)
                  .filter(([, action]) => action.scope === scope)
                  .map(([id, action]) => (
                    <Table.Tr key={id}>
                      <Table.Td>{action.label}</Table.Td>
                      <Table.Td w={220}>
                        {recording === id ? (
                          <>
                            <Text size="sm">Press a key …</Text>
                            <Text size="sm" c="red" role="alert">
                              {problem && `${problem} Press another key, or Esc.`}
                            </Text>
                          </>
                        ) : (
                          <Group gap={6}>
                            {keysOf(id, bindings).map((key) => (
                              <Kbd key={key}>{shownKey(key)}</Kbd>
                            ))}
                          </Group>
                        )}
                      </Table.Td>
                      <Table.Td w={90}>
                        <Button
                          variant="subtle"
                          size="compact-xs"
                          aria-label={`Change the key of ${action.label}`}
                          onClick={() => {
                            setProblem(null);
                            setRecording(id);
                          }}
                        >
                          Change
                        </Button>
                      </Table.Td>
                    </Table.Tr>
                  ))}
              </Table.Tbody>
            </Table>
          </section>
        ))}
      </Stack>
    </Modal>
  );
}
