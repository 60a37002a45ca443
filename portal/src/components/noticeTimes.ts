/** How long a message with a button is shown. Tests of the portal read this line, and let such messages stay. */
export const BUTTON_SHOWN_MS = 8000;
