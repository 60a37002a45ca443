import { Component, type ReactNode } from "react";
import { PartNotLoaded } from "../api/errors";
import { ErrorState } from "../components/states";

interface Props {
  children: ReactNode;
  /** The error is forgotten when this changes (the address). */
  resetKey: string;
}

/** Keeps the frame when a page fails. */
export class ErrorBoundary extends Component<Props, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override componentDidUpdate(before: Props) {
    if (before.resetKey !== this.props.resetKey && this.state.error !== null) this.setState({ error: null });
  }

  retry = () => {
    // Browsers do not request a file again that failed once, and files of another version have other names.
    if (this.state.error instanceof PartNotLoaded) location.reload();
    else this.setState({ error: null });
  };

  override render() {
    if (this.state.error !== null)
      return <ErrorState error={this.state.error} onRetry={this.retry} />;
    return this.props.children;
  }
}
