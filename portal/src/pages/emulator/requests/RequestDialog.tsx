import { Alert, Modal, Stack, Tabs, Text } from "@mantine/core";
import { CopyText } from "../../../components/CopyText";
import { Fact, FactList } from "../../../components/FactList";
import { bytes, dateTime } from "../../../lib/format";
import { Status } from "./RequestTable";
import { LANGUAGES, snippet, type LoggedRequest } from "./snippets";
import styles from "../emulator.module.css";

interface Props {
  request: LoggedRequest | null;
  endpoint: string;
  onClose: () => void;
}

/** One request in clear: why it failed, the nearest operations, and how to send it again. */
export function RequestDialog({ request, endpoint, onClose }: Props) {
  return (
    <Modal opened={request !== null} onClose={onClose} size="xl" title={request?.operation ?? "No operation of the service"}>
      {request && <Details request={request} endpoint={endpoint} />}
    </Modal>
  );
}

function Details({ request, endpoint }: { request: LoggedRequest; endpoint: string }) {
  return (
    <Stack gap="md">
      <FactList>
        <Fact name="Request">
          <span className={styles.path}>
          {request.method} {request.path}
          {request.query ? `?${request.query}` : ""}
        </span>
        </Fact>
        <Fact name="Response">
          <Status request={request} /> {request.errorCode ?? ""}
        </Fact>
        <Fact name="Time">
          {dateTime(request.time)}, {request.durationMs.toFixed(1)} ms
        </Fact>
        <Fact name="Size">
          {bytes(request.bytesIn)} received, {bytes(request.bytesOut)} sent
        </Fact>
        <Fact name="Version">
          {request.version === null ? "–" : `${request.api ?? ""} ${request.version}`}
          {request.versionSent !== null && request.versionSent !== `v${request.version ?? ""}` && ` (sent: ${request.versionSent})`}
        </Fact>
        <Fact name="Client">{[request.client, request.userAgent].filter(Boolean).join(", ") || "–"}</Fact>
        <Fact name="Request id">
          <CopyText value={request.requestId} label="request id" />
        </Fact>
      </FactList>
      {request.reason !== null && (
        <Alert color="red" title="Why it was refused">
          {request.reason}
        </Alert>
      )}
      {request.nearMisses.length > 0 && (
        <Alert color="orange" title="The nearest operations">
          <ul className={styles.list}>
            {request.nearMisses.map((each) => (
              <li key={each.operation}>
                {each.operation}, {each.method} {each.path}: {each.differences.join("; ")}
              </li>
            ))}
          </ul>
        </Alert>
      )}
      {request.departures.length > 0 && (
        <Alert color="orange" title="Departures from the document">
          <ul className={styles.list}>
            {request.departures.map((each) => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        </Alert>
      )}
      <div>
        <Text size="sm" fw={600} mb={4}>
          Send it again
        </Text>
        <Tabs defaultValue={LANGUAGES[0]} keepMounted={false}>
          <Tabs.List aria-label="Languages">
            {LANGUAGES.map((language) => (
              <Tabs.Tab key={language} value={language}>
                {language}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {LANGUAGES.map((language) => (
            <Tabs.Panel key={language} value={language} pt="xs">
              <CopyText block value={snippet(language, request, endpoint)} label={`program in ${language}`} />
            </Tabs.Panel>
          ))}
        </Tabs>
      </div>
    </Stack>
  );
}
