// Asks for an API key when the server wants one. It is kept until the tab is closed.
import { useEffect, useRef } from "preact/hooks";
import { keyOf } from "./api";
import { keyWanted, useKey } from "./state";

export function KeyDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (keyWanted.value) dialog.current!.showModal();
    else dialog.current!.close();
  }, [keyWanted.value]);
  return (
    <dialog ref={dialog} aria-labelledby="key-title" onCancel={(event) => event.preventDefault()}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          useKey(String(new FormData(event.currentTarget).get("key")).trim());
        }}
      >
        <h2 id="key-title">This network wants an API key</h2>
        {keyOf() && <p>The key that was sent does not do.</p>}
        <label>
          Key
          <input name="key" type="password" required autocomplete="off" autofocus />
        </label>
        <p class="fine">It is sent with every request and kept until this tab is closed.</p>
        <button class="main">Use it</button>
      </form>
    </dialog>
  );
}
