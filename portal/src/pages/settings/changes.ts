/** A change of the settings of a project: what was edited, and the request that makes it. */
import type { Schemas } from "../../api/client";
import type { Domain, Project } from "../../api/queries/projects";
import { targetPlatforms, type ClassificationType } from "../../components/project/kinds";
import { named } from "../../lib/format";

export interface Draft {
  name: string;
  description: string;
  domainId: string;
  classificationType: ClassificationType;
  /** Target platforms beside the basic ones: "" or "VAIDK". */
  platforms: string;
}

export function draftOf(project: Project): Draft {
  const { domainId, classificationType, targetExportPlatforms } = project.settings;
  return {
    name: project.name,
    description: project.description,
    domainId,
    classificationType,
    platforms: targetExportPlatforms.includes("VAIDK") ? "VAIDK" : "",
  };
}

/** Whether an edited value differs from the project. */
export function differs(project: Project, edited: Partial<Draft>): boolean {
  const stored = draftOf(project);
  return (Object.keys(edited) as (keyof Draft)[]).some((key) => edited[key] !== stored[key]);
}

/** The values of a draft that differ from the project. */
export function changedOf(project: Project, edited: Partial<Draft>): Partial<Draft> {
  const stored = draftOf(project);
  return Object.fromEntries(Object.entries(edited).filter(([key, value]) => stored[key as keyof Draft] !== value));
}

/**
 * The request that makes these changes, and no others: what another window changed meanwhile stays. Platforms that
 * there is no choice for stay, too.
 */
export function requestOf(project: Project, { name, description, domainId, classificationType, platforms }: Partial<Draft>): Schemas["ProjectUpdate"] {
  const others = project.settings.targetExportPlatforms.filter((each) => each !== "VAIDK");
  const settings = {
    ...(domainId === undefined ? {} : { domainId }),
    ...(classificationType === undefined ? {} : { classificationType }),
    ...(platforms === undefined ? {} : { targetExportPlatforms: [...others, ...targetPlatforms(platforms)] }),
  };
  return {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(Object.keys(settings).length === 0 ? {} : { settings }),
  };
}

/** The request that takes the changes back. */
export function requestBack(project: Project, changed: Partial<Draft>): Schemas["ProjectUpdate"] {
  const stored = draftOf(project);
  return requestOf(project, Object.fromEntries(Object.keys(changed).map((key) => [key, stored[key as keyof Draft]])));
}

const FIELDS: Record<keyof Draft, string> = {
  name: "name",
  description: "description",
  domainId: "domain",
  classificationType: "classification type",
  platforms: "export capability",
};

/**
 * What a person must read before the changes are saved: that the project has other values meanwhile than those that
 * were edited (`base`). Null where nothing is lost.
 */
export function lossNote(base: Partial<Draft>, project: Project, changed: Partial<Draft>): string | null {
  const stored = draftOf(project);
  const lost = (Object.keys(changed) as (keyof Draft)[]).filter((key) => key in base && base[key] !== stored[key]);
  if (lost.length === 0) return null;
  const now = lost.map((key) => `the ${FIELDS[key]}${key === "name" || key === "description" ? ` (${named(stored[key])} now)` : ""}`);
  return `Another window or program changed ${now.join(" and ")} meanwhile. Save again to replace it, or discard your change.`;
}

/** Why the next training differs from the last one; null if it does not. */
export function trainingNote(project: Project, draft: Draft, domain: Domain | undefined): string | null {
  if (draft.domainId !== project.settings.domainId)
    return `Iterations keep their domain. The next training uses ${domain?.name ?? "the new one"}.`;
  if (draft.classificationType !== project.settings.classificationType)
    return "Iterations keep their type. The next training uses the new one.";
  return null;
}
