import { Button, Group, Text } from "@mantine/core";
import { IconEye, IconEyeOff } from "@tabler/icons-react";
import { useState } from "react";
import { useIsAdministrator, useResourceKeys } from "../api/queries/information";
import { CopyText } from "./CopyText";
import { Fact, FactList } from "./FactList";
import { Loaded } from "./states";

/** The keys of both resources, requested and shown on demand. */
export function ResourceKeys() {
  const [shown, setShown] = useState(false);
  if (!useIsAdministrator()) return <Text size="sm">The keys are known to the administrator of the emulator.</Text>;
  return (
    <>
      {shown && <Keys />}
      <Group>
        <Button
          size="xs"
          variant="default"
          leftSection={shown ? <IconEyeOff size={16} /> : <IconEye size={16} />}
          onClick={() => setShown(!shown)}
          aria-expanded={shown}
        >
          {shown ? "Hide the keys" : "Show the keys"}
        </Button>
      </Group>
    </>
  );
}

function Keys() {
  const keys = useResourceKeys();
  return (
    <Loaded query={keys}>
      {({ trainingKeys, predictionKeys }) => (
        <FactList>
          {trainingKeys.map((key, index) => (
            <Fact key={key} name={`Training key ${index + 1}`}>
              <CopyText value={key} label={`training key ${index + 1}`} />
            </Fact>
          ))}
          {predictionKeys.map((key, index) => (
            <Fact key={key} name={`Prediction key ${index + 1}`}>
              <CopyText value={key} label={`prediction key ${index + 1}`} />
            </Fact>
          ))}
        </FactList>
      )}
    </Loaded>
  );
}
