import { Badge, Group, SegmentedControl, Text } from "@mantine/core";
import { emulator, type EmulatorTypes } from "../../../api/client";
import { cacheKeys } from "../../../api/keys";
import { CopyText } from "../../../components/CopyText";
import { Fact, FactList } from "../../../components/FactList";
import { Section } from "../../../components/Section";
import { bytes, count, dateTime, duration } from "../../../lib/format";
import { useAct } from "../useAct";

export type Information = EmulatorTypes["schemas"]["Information"];
const TRAINERS = [
  { value: "real", label: "Real" },
  { value: "instant", label: "Instant" },
];

/** Version, address, data folder, disk, memory and numbers of objects; those of the server for administrators. */
export function Facts({ info, isAdministrator }: { info: Information; isAdministrator: boolean }) {
  const { act, isBusy } = useAct([cacheKeys.info]);
  const setTrainer = (trainer: string) =>
    void act(
      trainer === "instant" ? "Projects are trained instantly, for tests." : "Projects are trained for real.",
      "The trainer could not be changed",
      () => emulator.PUT("/_emulator/trainer", { body: { trainer: trainer === "instant" ? "instant" : "real" } }),
    );
  return (
    <Section title="This emulator">
      <FactList>
        <Fact name="Version">{info.version}</Fact>
        <Fact name="Started">
          {dateTime(info.started)} ({duration(info.uptimeSeconds)} ago)
        </Fact>
        <Fact name="Endpoint">
          <CopyText value={info.endpoint} label="endpoint" />
        </Fact>
        <Fact name="Prediction resource id">
          <CopyText value={info.predictionResourceId} label="prediction resource id" />
        </Fact>
        {isAdministrator && (
          <>
            <Fact name="Data folder">
              <CopyText value={info.dataFolder} label="data folder" />
              {info.ephemeral && (
                <Badge variant="light" color="orange">
                  Temporary: removed at the end
                </Badge>
              )}
            </Fact>
            <Fact name="Data">
              {bytes(info.dataBytes)},{" "}
              {info.diskFreeBytes === null ? "free space unknown" : `${bytes(info.diskFreeBytes)} free on the disk`}
            </Fact>
            <Fact name="Memory">{info.memoryBytes === null ? "unknown on this system" : `${bytes(info.memoryBytes)} of the server`}</Fact>
          </>
        )}
        <Fact name="Content">
          {[
            count(info.counts.projects, "project"),
            count(info.counts.images, "image"),
            count(info.counts.tags, "tag"),
            `${count(info.counts.iterations, "iteration")} (${info.counts.publishedIterations.toLocaleString()} published)`,
            count(info.counts.exports, "export"),
            count(info.counts.storedPredictions, "stored prediction"),
          ].join(", ")}
        </Fact>
        <Fact name="Retention">
          Stored predictions are kept for {count(info.storedPredictionDays, "day")}, addresses of images are valid for{" "}
          {count(info.imageUriHours, "hour")}.
        </Fact>
        <Fact name="Trainer">
          <Group gap="sm">
            <SegmentedControl
              size="xs"
              data={TRAINERS}
              value={info.trainer}
              onChange={setTrainer}
              disabled={isBusy || !isAdministrator}
              aria-label="Trainer of all projects"
            />
            <Text size="sm" c="dimmed">
              {info.trainer === "instant"
                ? "Simple models in milliseconds, for tests of programs."
                : `Real models. An hour of a budget lasts ${duration(info.trainingHourSeconds)}.`}{" "}
              Until the next start.
            </Text>
          </Group>
        </Fact>
        <Fact name="Strict">{info.strict ? "Departures from the documents are reported" : "Off (option --strict)"}</Fact>
      </FactList>
    </Section>
  );
}
