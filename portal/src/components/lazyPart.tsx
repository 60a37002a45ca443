import { useEffect, useState, type ComponentType, type ReactNode } from "react";
import { PartNotLoaded } from "../api/errors";
import { Loading } from "./states";

const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 500;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** What `load` resolves to, or PartNotLoaded. A file that does not come is requested again, with growing pauses. */
export async function loadedPart<Part>(load: () => Promise<Part>, wait = pause): Promise<Part> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await load();
    } catch (error) {
      if (attempt === ATTEMPTS) throw new PartNotLoaded(error);
      await wait(FIRST_PAUSE_MS * 2 ** (attempt - 1));
    }
  }
}

interface State<Props> {
  component: ComponentType<Props> | null;
  failure: PartNotLoaded | null;
}

/**
 * A component in a file of its own, which is loaded when it is first shown; a failure is thrown while rendering.
 *
 * Not `lazy` of React: once it has shown a fallback, React shows the content 300 ms later at the earliest, also
 * when the file was there after 10.
 */
export function lazyPart<Props extends object>(
  load: () => Promise<{ default: ComponentType<Props> }>,
  fallback: ReactNode = <Loading />,
): ComponentType<Props> {
  let loaded: ComponentType<Props> | null = null;
  return function LazyPart(props: Props) {
    const [{ component: Part, failure }, setState] = useState<State<Props>>({ component: loaded, failure: null });
    useEffect(() => {
      if (loaded) return;
      let isShown = true;
      loadedPart(load).then(
        (module) => {
          loaded = module.default;
          if (isShown) setState({ component: loaded, failure: null });
        },
        (failure: unknown) => {
          if (isShown) setState({ component: null, failure: failure as PartNotLoaded });
        },
      );
      return () => {
        isShown = false;
      };
    }, []);
    if (failure !== null) throw failure;
    return Part ? <Part {...props} /> : fallback;
  };
}
