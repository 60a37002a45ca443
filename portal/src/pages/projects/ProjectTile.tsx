import { ActionIcon, Badge, Loader, Menu, Text } from "@mantine/core";
import { useIntersection } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { IconDots, IconPhoto, IconScan, IconSettings, IconTargetArrow, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "wouter";
import { body, localUri, training } from "../../api/client";
import { cacheKeys } from "../../api/keys";
import type { Domain, Project } from "../../api/queries/projects";
import { Moment } from "../../components/Moment";
import { kindOf } from "../../components/project/kinds";
import { count } from "../../lib/format";
import styles from "./projects.module.css";

interface Props {
  project: Project;
  domain: Domain | undefined;
  /** Why the import of this project failed. */
  failure: string | undefined;
  onDelete: () => void;
}

export function ProjectTile({ project, domain, failure, onDelete }: Props) {
  // A gallery can hold hundreds of projects; those out of sight are not asked for.
  const { ref, entry } = useIntersection<HTMLLIElement>({ rootMargin: "300px" });
  const images = useQuery({
    // The images of an import are there all at once, when its status changes.
    queryKey: cacheKeys.images(project.id, "count", project.status),
    queryFn: ({ signal }) =>
      body(training.GET("/projects/{projectId}/images/count", { params: { path: { projectId: project.id } }, signal })),
    enabled: entry?.isIntersecting ?? false,
  });
  return (
    <li className={styles.tile} ref={ref}>
      <Link href={`/projects/${project.id}/images`} className={styles.open}>
        <Thumbnail uri={project.thumbnailUri} isDetection={domain?.type === "ObjectDetection"} />
        <span className={styles.name} title={project.name}>
          {project.name}
        </span>
        <Text size="xs" c="dimmed" component="span" className={styles.facts}>
          {kindOf(domain, project.settings.classificationType)}
          <br />
          {images.data === undefined ? " " : count(images.data, "image")} · <Moment value={project.lastModified} />
        </Text>
        <ImportState status={project.status} failure={failure} />
      </Link>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <ActionIcon className={styles.menu} variant="default" aria-label={`More about ${project.name.slice(0, 100)}`}>
            <IconDots size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item component={Link} href={`/projects/${project.id}/results`} leftSection={<IconTargetArrow size={16} />}>
            Results
          </Menu.Item>
          <Menu.Item component={Link} href={`/projects/${project.id}/settings`} leftSection={<IconSettings size={16} />}>
            Settings
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={onDelete}>
            Delete
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </li>
  );
}

function Thumbnail({ uri, isDetection }: { uri: string | null; isDetection: boolean }) {
  const [broken, setBroken] = useState<string | null>(null);
  if (uri !== null && broken !== uri)
    return (
      <img className={styles.thumbnail} src={localUri(uri)} alt="" loading="lazy" onError={() => setBroken(uri)} />
    );
  const Icon = isDetection ? IconScan : IconPhoto;
  return (
    <span className={styles.thumbnail}>
      <Icon size={40} stroke={1} />
    </span>
  );
}

function ImportState({ status, failure }: { status: Project["status"]; failure: string | undefined }) {
  if (status === "Importing")
    return (
      <Badge variant="light" leftSection={<Loader size={10} />} tt="none" className={styles.state}>
        Importing
      </Badge>
    );
  if (status !== "Failed") return null;
  return (
    <Text size="xs" c="var(--mantine-color-error)" component="span" className={styles.state}>
      The import failed{failure === undefined ? "." : `: ${failure}`}
    </Text>
  );
}
