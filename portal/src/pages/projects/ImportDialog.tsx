import { Alert, Button, FileInput, Group, Modal, Stack, Tabs, Text, Textarea, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useLocation } from "wouter";
import { body, emulator, training } from "../../api/client";
import { inWords } from "../../api/errors";
import { cacheKeys } from "../../api/keys";
import { lazyPart } from "../../components/lazyPart";
import { named } from "../../lib/format";
import type { DroppedFile } from "../../lib/droppedFiles";

const DataSetImport = lazyPart(() => import("../../datasets/DataSetImport"));

interface Props {
  opened: boolean;
  onClose: () => void;
  /** Files that were dropped on the page or chosen: a data set. */
  files: readonly DroppedFile[];
  onFiles: (files: readonly DroppedFile[]) => void;
}

/** Data sets, copies of projects, and models that were exported elsewhere. */
export function ImportDialog({ opened, onClose, files, onFiles }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} title="Import" size="xl">
      <Tabs defaultValue="dataset" keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="dataset">Data set</Tabs.Tab>
          <Tabs.Tab value="project">Copy of a project</Tabs.Tab>
          <Tabs.Tab value="model">Exported model</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="dataset">
          <DataSetImport projectId={null} files={files} onFiles={onFiles} onClose={onClose} />
        </Tabs.Panel>
        <Tabs.Panel value="project">
          <ProjectImport onClose={onClose} />
        </Tabs.Panel>
        <Tabs.Panel value="model">
          <ModelImport onClose={onClose} />
        </Tabs.Panel>
      </Tabs>
    </Modal>
  );
}

function ImportForm({ run, action, disabled, children }: { run: () => Promise<void>; action: string; disabled: boolean; children: ReactNode }) {
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  async function submit() {
    setBusy(true);
    setProblem(null);
    try {
      await run();
    } catch (error) {
      setProblem(inWords(error));
    } finally {
      setBusy(false);
    }
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <Stack>
        {children}
        {problem !== null && (
          <Alert color="red" role="alert" style={{ overflowWrap: "anywhere" }}>
            {problem}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button type="submit" loading={busy} disabled={disabled}>
            {action}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function ProjectImport({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const [token, setToken] = useState("");
  const [name, setName] = useState("");
  return (
    <ImportForm
      action="Import project"
      disabled={!token.trim()}
      run={async () => {
        const query = { token: token.trim(), ...(name.trim() ? { name: name.trim() } : {}) };
        await training.POST("/projects/import", { params: { query } });
        await client.invalidateQueries({ queryKey: cacheKeys.projects });
        onClose();
      }}
    >
      <Text size="sm">
        In the settings of a project, here or in another emulator, 'Export this project' makes a token. It is valid for a
        day. Images, tags, regions and trained iterations are copied.
      </Text>
      <Textarea
        label="Token"
        required
        data-autofocus
        autosize
        minRows={3}
        maxRows={6}
        value={token}
        onChange={(event) => setToken(event.currentTarget.value)}
      />
      <TextInput
        label="Name of the copy"
        description="Left empty, it is the name of the original with a number."
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
      />
    </ImportForm>
  );
}

function ModelImport({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const [, navigate] = useLocation();
  const [file, setFile] = useState<File | null>(null);
  const [project, setProject] = useState("");
  return (
    <ImportForm
      action="Import model"
      disabled={file === null || !project.trim()}
      run={async () => {
        if (file === null) return;
        const imported = await body(
          emulator.POST("/_emulator/models", {
            params: { query: { project: project.trim() } },
            body: file as never,
            bodySerializer: (content: unknown) => content as File,
            headers: { "Content-Type": "application/zip" },
          }),
        );
        await client.invalidateQueries({ queryKey: cacheKeys.projects });
        await client.invalidateQueries({ queryKey: cacheKeys.project(imported.projectId) });
        notifications.show({ message: `The model is iteration ${named(imported.iterationName)} of ${named(imported.projectName)}.` });
        onClose();
        navigate(`/projects/${imported.projectId}/results/${imported.iterationId}`);
      }}
    >
      <Text size="sm">
        The zip file of an export, of this emulator or of Azure Custom Vision. It becomes a trained iteration that can be
        published and predicted with.
      </Text>
      <FileInput label="Zip file" required accept=".zip,application/zip" placeholder="Choose a file" value={file} onChange={setFile} clearable clearButtonProps={{ "aria-label": "Remove the file" }} />
      <TextInput
        label="Project"
        description="Name of a project; one that does not exist is created."
        required
        value={project}
        onChange={(event) => setProject(event.currentTarget.value)}
      />
    </ImportForm>
  );
}
