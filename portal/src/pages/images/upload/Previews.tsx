import { Group } from "@mantine/core";
import { useObjectUrl } from "../../../components/useObjectUrl";
import { pathOf, type Candidate } from "../../../uploads/intake";

const SHOWN = 9;
const SIDE = 56;

/** Thumbnails of the first images. */
export function Previews({ files }: { files: readonly Candidate[] }) {
  const shown = files.filter((each) => each.kind === "image").slice(0, SHOWN);
  if (shown.length === 0) return null;
  return (
    <Group gap={4} aria-hidden>
      {shown.map((each, index) => (
        <Preview key={`${index} ${pathOf(each)} ${each.file.size}`} file={each.file} />
      ))}
    </Group>
  );
}

function Preview({ file }: { file: File }) {
  const url = useObjectUrl(file);
  if (url === null) return null;
  return (
    <img
      src={url}
      alt=""
      width={SIDE}
      height={SIDE}
      style={{ objectFit: "cover", borderRadius: 4 }}
      onError={(event) => (event.currentTarget.hidden = true)}
    />
  );
}
