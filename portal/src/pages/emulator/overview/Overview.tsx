import { Stack } from "@mantine/core";
import { useInformation, useIsAdministrator } from "../../../api/queries/information";
import { Loaded } from "../../../components/states";
import { Facts } from "./Facts";
import { Health } from "./Health";
import { Keys } from "./Keys";
import { Leaving } from "./Leaving";
import { Tier } from "./Tier";
import styles from "../emulator.module.css";

/** Health, version, place and size of the data, keys, tier, and how to leave or begin anew. */
export function Overview() {
  const information = useInformation();
  const isAdministrator = useIsAdministrator();
  return (
    <Loaded query={information}>
      {(info) => (
        <div className={styles.columns}>
          <Stack gap="xl">
            <Health />
            <Facts info={info} isAdministrator={isAdministrator} />
          </Stack>
          <Stack gap="xl">
            <Keys info={info} />
            <Tier info={info} />
            {isAdministrator && <Leaving />}
          </Stack>
        </div>
      )}
    </Loaded>
  );
}
