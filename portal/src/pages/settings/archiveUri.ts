/** The address of the archive that belongs to a token of ExportProject. */
export function archiveUri(token: string): string {
  return token.replace("/project-export-info?", "/project-export-data?");
}
