import { Button, FileButton, Group, Stack, Table, Text, TextInput } from "@mantine/core";
import { IconDownload, IconUpload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { body, emulator, type EmulatorTypes } from "../../../api/client";
import { cacheKeys } from "../../../api/keys";
import { PREFIX } from "../../../api/prefix";
import { useConfirm } from "../../../components/confirm";
import { EmptyState, Loaded } from "../../../components/states";
import { Moment } from "../../../components/Moment";
import { bytes } from "../../../lib/format";
import { useAct } from "../useAct";
import styles from "../emulator.module.css";

type Snapshot = EmulatorTypes["schemas"]["Snapshot"];
/** As the control API has it: also a folder's name on every system. */
const NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?$/;

function useSnapshots() {
  return useQuery({ queryKey: cacheKeys.snapshots, queryFn: ({ signal }) => body(emulator.GET("/_emulator/snapshots", { signal })) });
}

/** Copies of everything that is stored: save, restore, download, upload, delete. */
export default function Snapshots() {
  const snapshots = useSnapshots();
  const [name, setName] = useState("");
  const { ask, dialog } = useConfirm();
  const { act, isBusy } = useAct([cacheKeys.snapshots]);
  const restoring = useAct(null);
  const typed = name.trim();
  const isValid = NAME.test(typed);
  const known = (snapshotName: string) => snapshots.data?.some((each) => each.name === snapshotName) ?? false;
  const path = (snapshotName: string) => ({ params: { path: { snapshotName } } });

  /** Whether a snapshot of this name may be replaced, if there is one. */
  async function mayReplace(snapshotName: string): Promise<boolean> {
    if (!known(snapshotName)) return true;
    return ask({ title: "Replace the snapshot?", message: `There is a snapshot ${snapshotName} already.`, action: "Replace it", danger: true });
  }

  async function save() {
    if (!(await mayReplace(typed))) return;
    const done = await act(`The snapshot ${typed} is saved.`, "The snapshot could not be saved", () =>
      emulator.PUT("/_emulator/snapshots/{snapshotName}", path(typed)),
    );
    if (done) setName("");
  }

  async function upload(file: File | null) {
    if (!file) return;
    const from = file.name.replace(/\.zip$/i, "");
    const chosen = isValid ? typed : from;
    if (!(await mayReplace(chosen))) return;
    await act(`The snapshot ${chosen} is uploaded.`, "The file could not be uploaded", () =>
      emulator.PUT("/_emulator/snapshots/{snapshotName}/archive", {
        ...path(chosen),
        body: file as never,
        bodySerializer: (content: unknown) => content as Blob,
        headers: { "Content-Type": "application/zip" },
      }),
    );
  }

  async function restore({ name: snapshotName }: Snapshot) {
    const agreed = await ask({
      title: `Restore ${snapshotName}?`,
      message:
        "Everything that is stored now is replaced by the snapshot: projects, images, iterations and predictions. Save a snapshot of the present state before if you want it back.",
      action: "Replace everything",
      danger: true,
    });
    if (agreed)
      await restoring.act(`The snapshot ${snapshotName} is restored.`, "The snapshot could not be restored", () =>
        emulator.POST("/_emulator/snapshots/{snapshotName}/restore", path(snapshotName)),
      );
  }

  async function remove({ name: snapshotName }: Snapshot) {
    const agreed = await ask({
      title: `Delete ${snapshotName}?`,
      message: "What is stored now stays as it is. The snapshot cannot be brought back.",
      action: "Delete the snapshot",
      danger: true,
    });
    if (agreed)
      await act(`The snapshot ${snapshotName} is deleted.`, "The snapshot could not be deleted", () =>
        emulator.DELETE("/_emulator/snapshots/{snapshotName}", path(snapshotName)),
      );
  }

  return (
    <Stack gap="lg">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <Group align="flex-start" gap="sm">
          <TextInput
            label="New snapshot"
            description="Letters, digits, dots, dashes and underscores."
            placeholder="name"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={typed && !isValid ? "At most 64 letters, digits, dots, dashes and underscores." : null}
            w={340}
          />
          <Button type="submit" mt={46} disabled={!isValid} loading={isBusy}>
            Save
          </Button>
          <FileButton onChange={(file) => void upload(file)} accept=".zip,application/zip">
            {(props) => (
              <Button {...props} variant="default" mt={46} leftSection={<IconUpload size={18} />} disabled={isBusy}>
                Upload a file
              </Button>
            )}
          </FileButton>
        </Group>
      </form>
      <Loaded query={snapshots}>
        {(all) =>
          all.length === 0 ? (
            <EmptyState title="No snapshots yet">
              A snapshot is a copy of all projects with their images and models. Restoring it takes everything back to that state.
            </EmptyState>
          ) : (
            <Table.ScrollContainer minWidth={800} scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Snapshots" } }}>
              <Table aria-label="Snapshots" verticalSpacing="xs">
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th scope="col">Name</Table.Th>
                    <Table.Th scope="col">Saved</Table.Th>
                    {["Projects", "Images", "Iterations", "Size"].map((each) => (
                      <Table.Th key={each} scope="col" className={styles.number}>
                        {each}
                      </Table.Th>
                    ))}
                    <Table.Th scope="col">Actions</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {all.map((each) => (
                    <Table.Tr key={each.name}>
                      <Table.Th scope="row">{each.name}</Table.Th>
                      <Table.Td>
                        <Moment value={each.created} />
                      </Table.Td>
                      <Table.Td className={styles.number}>{each.projectCount.toLocaleString()}</Table.Td>
                      <Table.Td className={styles.number}>{each.imageCount.toLocaleString()}</Table.Td>
                      <Table.Td className={styles.number}>{each.iterationCount.toLocaleString()}</Table.Td>
                      <Table.Td className={styles.number}>{bytes(each.size)}</Table.Td>
                      <Table.Td>
                        <Group gap="xs" wrap="nowrap">
                          <Button size="compact-sm" variant="default" onClick={() => void restore(each)} loading={restoring.isBusy} aria-label={`Restore ${each.name}`}>
                            Restore
                          </Button>
                          <Button
                            size="compact-sm"
                            variant="default"
                            component="a"
                            href={`${PREFIX}/_emulator/snapshots/${encodeURIComponent(each.name)}/archive`}
                            download={`${each.name}.zip`}
                            leftSection={<IconDownload size={16} />}
                            aria-label={`Download ${each.name}`}
                          >
                            Download
                          </Button>
                          <Button size="compact-sm" variant="default" onClick={() => void remove(each)} aria-label={`Delete ${each.name}`}>
                            Delete
                          </Button>
                        </Group>
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          )
        }
      </Loaded>
      <Text size="sm" c="dimmed">
        Uploaded files are checked completely before they are stored. A snapshot can be used by other emulators of this or a later
        version.
      </Text>
      {dialog}
    </Stack>
  );
}
