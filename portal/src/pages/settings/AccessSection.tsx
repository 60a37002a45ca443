import { useInformation } from "../../api/queries/information";
import { PREFIX } from "../../api/prefix";
import { CopyText } from "../../components/CopyText";
import { Fact, FactList } from "../../components/FactList";
import { ResourceKeys } from "../../components/ResourceKeys";
import { Section } from "../../components/Section";

/** What a program needs to reach the project. */
export function AccessSection({ projectId }: { projectId: string }) {
  const information = useInformation().data;
  return (
    <Section title="Access from programs">
      <FactList>
        <Fact name="Project id">
          <CopyText value={projectId} label="project id" />
        </Fact>
        <Fact name="Endpoint">
          <CopyText value={window.location.origin + PREFIX} label="endpoint" />
        </Fact>
        {information && (
          <Fact name="Prediction resource id">
            <CopyText value={information.predictionResourceId} label="prediction resource id" />
          </Fact>
        )}
      </FactList>
      <ResourceKeys />
    </Section>
  );
}
