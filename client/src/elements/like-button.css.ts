// The heart's looks. Colours, sizes and space are custom properties; every piece is a part.

export const likeButtonCss = `
:host {
  display: inline-block;
  position: relative;
  --_on: var(--like-color, #e0245e);
  --_off: var(--like-muted, currentColor);
  --_size: var(--like-size, 1.35em);
}
:host([hidden]) { display: none; }
button {
  display: inline-flex;
  align-items: center;
  gap: var(--like-gap, .4em);
  min-height: 44px;
  min-width: 44px;
  padding: var(--like-padding, 0 .7em);
  border: 0;
  border-radius: 999px;
  background: none;
  color: var(--_off);
  font: inherit;
  cursor: pointer;
  touch-action: manipulation;
  -webkit-tap-highlight-color: transparent;
  transition: background-color .15s, color .15s;
}
@media (hover: hover) {
  button:hover { background: color-mix(in srgb, var(--_on) 10%, transparent); color: var(--_on); }
}
button:focus-visible { outline: 2px solid var(--like-focus, var(--_on)); outline-offset: 1px; }
button[aria-pressed=true] { color: var(--_on); }
button[disabled] { cursor: default; opacity: .5; }
[part=heart] { position: relative; display: grid; width: var(--_size); height: var(--_size); }
svg { width: 100%; height: 100%; overflow: visible; transition: transform .15s; }
path { fill: transparent; stroke: currentColor; stroke-width: 1.9; stroke-linejoin: round; transition: fill .15s; }
button[aria-pressed=true] path { fill: currentColor; }
button:active svg { transform: scale(.86); }
[part=heart] i {
  position: absolute; inset: 0; border-radius: 50%; opacity: 0; pointer-events: none;
  background:
    radial-gradient(circle at 50% 0, currentColor 9%, transparent 10%),
    radial-gradient(circle at 95% 30%, currentColor 7%, transparent 8%),
    radial-gradient(circle at 82% 88%, currentColor 9%, transparent 10%),
    radial-gradient(circle at 18% 88%, currentColor 7%, transparent 8%),
    radial-gradient(circle at 5% 30%, currentColor 9%, transparent 10%);
}
.burst svg { animation: pop .42s cubic-bezier(.2, 1.6, .4, 1); }
.burst i { animation: sparks .5s ease-out; }
@keyframes pop { 0% { transform: scale(.4); } 60% { transform: scale(1.18); } }
@keyframes sparks { 0% { transform: scale(.4); opacity: .9; } 100% { transform: scale(2); opacity: 0; } }
[part=count] {
  position: relative; display: inline-grid; min-width: 2.6ch; text-align: start;
  font-variant-numeric: tabular-nums; overflow: clip; overflow-clip-margin: .3em;
}
[part=count] b { grid-area: 1 / 1; font-weight: var(--like-count-weight, 600); min-height: 1lh; }
[data-unknown] b::before { content: "–"; opacity: .45; }
[data-pending] [part=count] { opacity: .62; }
[data-waiting] [part=heart] { animation: wait 1.4s ease-in-out infinite; }
@keyframes wait { 50% { opacity: .35; } }
[part=message] {
  position: absolute; z-index: 5; inset-block-end: calc(100% + 6px); inset-inline-start: 0;
  width: max-content; max-width: min(17rem, 70vw); padding: .5em .8em; border-radius: .7em;
  background: var(--like-message-background, light-dark(#1d1d24, #f1eff5)); color: var(--like-message-color, light-dark(#fff, #1d1d24));
  font-size: .85rem; line-height: 1.35; box-shadow: 0 6px 20px rgb(0 0 0 / .22);
}
[part=message][hidden] { display: none; }
.hidden {
  position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}
@media (prefers-reduced-motion: reduce) {
  *, *::before { animation: none !important; transition: none !important; }
}
`;
