import { Button, Group, NativeSelect, TextInput, Title } from "@mantine/core";
import { IconPackageImport, IconPlus, IconSearch } from "@tabler/icons-react";
import { useState } from "react";
import { useLocation, useSearchParams } from "wouter";
import { useDomains, useProjects, type Project } from "../../api/queries/projects";
import { useDeleteProject } from "../../components/project/useDeleteProject";
import { useDialogInAddress } from "../../components/useDialogInAddress";
import { EmptyState, Loaded } from "../../components/states";
import { count } from "../../lib/format";
import type { DroppedFile } from "../../lib/droppedFiles";
import { DropOverlay } from "../../uploads/DropOverlay";
import { useDrop } from "../../uploads/useDrop";
import { arranged, orderOf, ORDERS } from "./gallery";
import { ImportDialog } from "./ImportDialog";
import { NewProjectDialog } from "./NewProjectDialog";
import { ProjectTile } from "./ProjectTile";
import styles from "./projects.module.css";
import { useFailedImports } from "./useFailedImports";
import { PermittedButton } from "../../components/PermittedButton";

type Dialog = "new" | "import";

const NO_FILES: readonly DroppedFile[] = [];

/** The gallery: all projects. */
export default function ProjectsPage() {
  const projects = useProjects();
  const [dialog, setDialog] = useDialogInAddress();
  const [, navigate] = useLocation();
  const [files, setFiles] = useState<readonly DroppedFile[]>(NO_FILES);
  const over = useDrop((dropped) => {
    setFiles(dropped);
    setDialog("import");
  }, dialog !== "new");
  return (
    <div className="page">
      <Loaded query={projects}>
        {(all) =>
          all.length === 0 ? (
            <FirstRun onOpen={setDialog} />
          ) : (
            <Gallery projects={all} onOpen={setDialog} />
          )
        }
      </Loaded>
      <NewProjectDialog
        opened={dialog === "new"}
        onClose={() => setDialog(null)}
        onCreated={(project) => navigate(`/projects/${project.id}/images`)}
      />
      <ImportDialog
        opened={dialog === "import"}
        onClose={() => {
          setDialog(null);
          setFiles(NO_FILES);
        }}
        files={files}
        onFiles={setFiles}
      />
      {over && <DropOverlay text="Drop a data set: a folder, a zip archive, or labels with their images" />}
    </div>
  );
}

interface ActionProps {
  onOpen: (dialog: Dialog) => void;
}

function Actions({ onOpen }: ActionProps) {
  return (
    <>
      <PermittedButton operation="ImportProject" variant="default" leftSection={<IconPackageImport size={18} />} onClick={() => onOpen("import")}>
        Import
      </PermittedButton>
      <PermittedButton operation="CreateProject" leftSection={<IconPlus size={18} />} onClick={() => onOpen("new")}>
        New project
      </PermittedButton>
    </>
  );
}

function FirstRun({ onOpen }: ActionProps) {
  return (
    <EmptyState
      title="No projects yet"
      action={
        <Group>
          <Actions onOpen={onOpen} />
        </Group>
      }
    >
      A project holds images, their tags and the models that are trained on them. Create one, then drop a folder of
      images on it: each subfolder becomes a tag. Or drop a data set here, with its labels.
    </EmptyState>
  );
}

function Gallery({ projects, onOpen }: ActionProps & { projects: readonly Project[] }) {
  const [parameters, setParameters] = useSearchParams();
  const domains = useDomains().data;
  const failedImports = useFailedImports(projects);
  const { remove, dialog } = useDeleteProject();
  const search = parameters.get("q") ?? "";
  const order = orderOf(parameters.get("sort"));
  const shown = arranged(projects, search, order);
  const setParameter = (name: string, value: string) =>
    setParameters(
      (current) => {
        const next = new URLSearchParams(current);
        if (value) next.set(name, value);
        else next.delete(name);
        return next;
      },
      { replace: true },
    );
  return (
    <>
      <Group mb="md" align="center" gap="sm">
        <Title order={1} size="h3" mr="auto">
          Projects
        </Title>
        <TextInput
          aria-label="Search projects"
          placeholder="Search"
          leftSection={<IconSearch size={16} />}
          w={240}
          value={search}
          onChange={(event) => setParameter("q", event.currentTarget.value)}
        />
        <NativeSelect
          aria-label="Sort projects by"
          w={150}
          data={ORDERS.map((each) => ({ value: each.value, label: each.label }))}
          value={order}
          onChange={(event) => setParameter("sort", event.currentTarget.value)}
        />
        <Actions onOpen={onOpen} />
      </Group>
      {shown.length === 0 ? (
        <EmptyState title="No matching projects" action={<Button variant="default" onClick={() => setParameter("q", "")}>Show all projects</Button>}>
          None of {count(projects.length, "project")} has all of the words in its name or description.
        </EmptyState>
      ) : (
        <ul className={styles.gallery} aria-label={count(shown.length, "project")}>
          {shown.map((each) => (
            <ProjectTile
              key={each.id}
              project={each}
              domain={domains?.find((domain) => domain.id === each.settings.domainId)}
              failure={failedImports.get(each.id)}
              onDelete={() => void remove(each)}
            />
          ))}
        </ul>
      )}
      {dialog}
    </>
  );
}
