import { Text } from "@mantine/core";
import { ResourceKeys } from "../../../components/ResourceKeys";
import { Section } from "../../../components/Section";
import type { Information } from "./Facts";

/** The keys of both resources, hidden until they are requested. */
export function Keys({ info }: { info: Information }) {
  return (
    <Section title="Keys">
      <Text size="sm" c="dimmed">
        {info.usesWellKnownKeys && "At least one key is well known, so it is no secret. Own keys: options --training-key and --prediction-key. "}
        Training keys are sent in the header Training-Key, prediction keys in Prediction-Key.
      </Text>
      <ResourceKeys />
    </Section>
  );
}
