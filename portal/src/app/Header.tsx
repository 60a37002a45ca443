import { ActionIcon, Badge, Group, Tooltip, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { IconHelp, IconMoon, IconServer2, IconSun } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { isMissing } from "../api/errors";
import { useInformation, useIsAdministrator } from "../api/queries/information";
import { useProject } from "../api/queries/projects";
import { PREFIX } from "../api/prefix";
import { useKeys } from "../keyboard/useKeys";
import { PROJECT_PAGES } from "./pages";

interface Props {
  projectId: string | null;
  /** Before, the pages of the project are shown without its name, so that nothing moves when it arrives. */
  isSignedIn: boolean;
  onHelp: () => void;
  children?: ReactNode;
}

/** The header: the way back to all projects, the pages of the project, and what belongs to the whole portal. */
export function Header({ projectId, isSignedIn, onHelp, children }: Props) {
  const scheme = useComputedColorScheme("light");
  const { setColorScheme } = useMantineColorScheme();
  const changeColors = () => setColorScheme(scheme === "dark" ? "light" : "dark");
  useKeys({ changeColors });
  return (
    <header className="header">
      <Link href="/projects" className="header-link" aria-label="All projects">
        <img src={`${PREFIX}/portal/icon.svg`} alt="" width={24} height={24} />
        {!projectId && <strong>Custom Vision Emulator</strong>}
      </Link>
      {projectId && <ProjectNavigation projectId={projectId} isSignedIn={isSignedIn} />}
      <Group ml="auto" gap={4} wrap="nowrap">
        {children}
        {isSignedIn && <Access />}
        <Tooltip label="Emulator">
          <ActionIcon component={Link} href="/emulator" variant="subtle" color="gray" aria-label="Emulator">
            <IconServer2 size={20} />
          </ActionIcon>
        </Tooltip>
        <Tooltip label={scheme === "dark" ? "Light colors" : "Dark colors"}>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={scheme === "dark" ? "Light colors" : "Dark colors"}
            onClick={changeColors}
          >
            {scheme === "dark" ? <IconSun size={20} /> : <IconMoon size={20} />}
          </ActionIcon>
        </Tooltip>
        <Tooltip label="Keys (?)">
          <ActionIcon variant="subtle" color="gray" aria-label="Keys" onClick={onHelp}>
            <IconHelp size={20} />
          </ActionIcon>
        </Tooltip>
      </Group>
    </header>
  );
}

/** The resource and the role of the key of the session, unless it is that of an administrator. */
function Access() {
  const information = useInformation().data;
  if (useIsAdministrator() || !information) return null;
  return (
    <Badge variant="light" color="gray" tt="none">
      {[information.resource, information.role].filter(Boolean).join(", ")}
    </Badge>
  );
}

function ProjectNavigation({ projectId, isSignedIn }: { projectId: string; isSignedIn: boolean }) {
  const [location] = useLocation();
  const { data: project, error } = useProject(projectId, isSignedIn);
  const base = `/projects/${projectId}/`;
  if (isMissing(error)) return null;
  const current = PROJECT_PAGES.find((page) => location.startsWith(base + page.path));
  return (
    <>
      <strong className="project-name" title={project?.name}>
        {project?.name}
      </strong>
      <Group component="nav" aria-label="Project" gap={0} wrap="wrap">
        {PROJECT_PAGES.filter((page) => page.inHeader).map((page) => (
          <Link
            key={page.path}
            href={base + page.path}
            className="header-link"
            data-label={page.label}
            aria-current={page.path === (current?.within ?? current?.path) ? "page" : undefined}
          >
            {page.label}
          </Link>
        ))}
      </Group>
    </>
  );
}
