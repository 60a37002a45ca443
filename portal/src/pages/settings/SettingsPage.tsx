import { Stack, Title } from "@mantine/core";
import type { PageProps } from "../../app/pages";
import { useInformation } from "../../api/queries/information";
import { useDomains, useProject } from "../../api/queries/projects";
import { Loaded } from "../../components/states";
import { together } from "../../components/together";
import { AccessSection } from "./AccessSection";
import { CopySection } from "./CopySection";
import { DeleteSection } from "./DeleteSection";
import { ProjectForm } from "./ProjectForm";
import { TrainerSection } from "./TrainerSection";
import styles from "./settings.module.css";

/** What the project is, how programs reach it, and its copies. */
export default function SettingsPage({ projectId }: PageProps) {
  const project = useProject(projectId);
  const complete = together(useDomains(), useInformation());
  return (
    <div className="page">
      <Title order={1} size="h3" mb="lg">
        Settings
      </Title>
      <Loaded query={project}>
        {(data) => (
          <Loaded query={complete}>
            {(all) => (
              <div className={styles.columns}>
                <ProjectForm project={data} domains={all} />
                <Stack gap="xl">
                  <AccessSection projectId={projectId} />
                  <TrainerSection projectId={projectId} />
                  <CopySection projectId={projectId} />
                  <DeleteSection project={data} />
                </Stack>
              </div>
            )}
          </Loaded>
        )}
      </Loaded>
    </div>
  );
}
