import { Alert, Checkbox, Modal, SegmentedControl, Stack, Table, Tabs, Text } from "@mantine/core";
import { useState } from "react";
import { useResourceKeys } from "../../../api/queries/information";
import { PREFIX } from "../../../api/prefix";
import { CopyText } from "../../../components/CopyText";
import { Loaded } from "../../../components/states";
import { contentType, LANGUAGES, predictionUrl, snippet, type Language, type Target } from "./snippets";

interface Props {
  opened: boolean;
  onClose: () => void;
  projectId: string;
  publishName: string;
  isDetection: boolean;
}

/** How a program predicts with the published iteration. */
export function PredictionUrlDialog({ opened, onClose, ...target }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} title="Prediction URL" size="xl">
      <Content {...target} />
    </Modal>
  );
}

function Content({ projectId, publishName, isDetection }: Omit<Props, "opened" | "onClose">) {
  const keys = useResourceKeys();
  const [source, setSource] = useState<Target["source"]>("file");
  const [stored, setStored] = useState(true);
  const [language, setLanguage] = useState<Language>("curl");
  return (
    <Loaded query={keys}>
      {({ predictionKeys }) => {
        const target: Target = {
          endpoint: window.location.origin + PREFIX,
          projectId,
          publishName,
          predictionKey: predictionKeys[0] ?? "",
          isDetection,
          source,
          stored,
        };
        return (
          <Stack>
            <SegmentedControl
              aria-label="What is sent"
              value={source}
              onChange={setSource}
              data={[
                { value: "file", label: "Image file" },
                { value: "url", label: "Image URL" },
              ]}
            />
            <Checkbox
              label="Store the prediction"
              description="Stored predictions appear on the page Predictions, where they can become training images."
              checked={stored}
              onChange={(event) => setStored(event.currentTarget.checked)}
            />
            <Request target={target} keys={predictionKeys} />
            {source === "url" && (
              <Alert color="gray" p="xs">
                Images on this machine or in a private network are fetched only if the emulator was started with the option
                --url-allow.
              </Alert>
            )}
            <Tabs value={language} onChange={(value) => setLanguage(value as Language)}>
              <Tabs.List aria-label="Programs">
                {LANGUAGES.map((each) => (
                  <Tabs.Tab key={each} value={each}>
                    {each}
                  </Tabs.Tab>
                ))}
              </Tabs.List>
              <Tabs.Panel value={language} pt="sm">
                <CopyText block value={snippet(language, target)} label={`program for ${language}`} />
              </Tabs.Panel>
            </Tabs>
          </Stack>
        );
      }}
    </Loaded>
  );
}

function Request({ target, keys }: { target: Target; keys: readonly string[] }) {
  return (
    <Table withRowBorders={false} verticalSpacing={4} variant="vertical" layout="auto">
      <Table.Tbody>
        <Table.Tr>
          <Table.Th scope="row">URL (POST)</Table.Th>
          <Table.Td>
            <CopyText value={predictionUrl(target)} label="URL" />
          </Table.Td>
        </Table.Tr>
        <Table.Tr>
          <Table.Th scope="row">Prediction-Key</Table.Th>
          <Table.Td>
            {keys.map((key, index) => (
              <CopyText key={key} value={key} label={`prediction key ${index + 1}`} />
            ))}
          </Table.Td>
        </Table.Tr>
        <Table.Tr>
          <Table.Th scope="row">Content-Type</Table.Th>
          <Table.Td>
            <CopyText value={contentType(target.source)} label="content type" />
          </Table.Td>
        </Table.Tr>
        <Table.Tr>
          <Table.Th scope="row">Body</Table.Th>
          <Table.Td>
            {target.source === "file" ? (
              <Text size="sm">The bytes of the image: JPEG, PNG, BMP or GIF</Text>
            ) : (
              <CopyText value={'{"Url": "https://example.com/image.jpg"}'} label="body" />
            )}
          </Table.Td>
        </Table.Tr>
      </Table.Tbody>
    </Table>
  );
}
