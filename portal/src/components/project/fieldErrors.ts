import { ApiError, inWords } from "../../api/errors";

export type ProjectField = "name" | "description" | "domain" | "classificationType" | "export";

const FIELDS: readonly (readonly [code: string, field: ProjectField])[] = [
  ["BadRequestProjectName", "name"],
  ["BadRequestProjectDescription", "description"],
  ["BadRequestProjectUnknownDomain", "domain"],
  ["BadRequestProjectUnsupportedDomainTypeChange", "domain"],
  ["BadRequestProjectUnknownClassification", "classificationType"],
  ["BadRequestProjectUnsupportedExportPlatform", "export"],
];

export interface Refusal {
  /** The field that the message is about; null for the whole form. */
  field: ProjectField | null;
  message: string;
}

/** Where a form of a project shows the error of a request. */
export function refusalOf(error: unknown): Refusal {
  const code = error instanceof ApiError ? error.code : "";
  return { field: FIELDS.find(([known]) => known === code)?.[1] ?? null, message: inWords(error) };
}
