// The looks of bell, panel and toasts. Colours are custom properties with light and dark defaults; every piece is a part.

export const likeNotificationsCss = `
:host {
  display: inline-block;
  position: relative;
  --_accent: var(--like-color, #e0245e);
  --_surface: var(--like-surface, light-dark(#fff, #1c1c22));
  --_text: var(--like-text, light-dark(#17171c, #f3f3f6));
  --_soft: var(--like-soft, light-dark(#6a6a75, #a3a3b0));
  --_line: var(--like-line, light-dark(#e6e6ec, #33333c));
}
:host([hidden]), [hidden] { display: none !important; }
button { font: inherit; color: inherit; border: 0; background: none; cursor: pointer; }
button:focus-visible, [part=panel]:focus-visible { outline: 2px solid var(--like-focus, var(--_accent)); outline-offset: 2px; }
[part=bell] { position: relative; display: grid; place-items: center; width: 44px; height: 44px; border-radius: 50%; padding: 0; }
@media (hover: hover) {
  [part=bell]:hover { background: color-mix(in srgb, currentColor 9%, transparent); }
}
svg { width: 24px; height: 24px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
.ring svg { animation: ring .7s ease-in-out; transform-origin: 50% 10%; }
@keyframes ring { 20% { rotate: 16deg; } 45% { rotate: -13deg; } 70% { rotate: 7deg; } }
[part=badge] {
  position: absolute; inset-block-start: 3px; inset-inline-start: 24px; min-width: 18px; box-sizing: border-box; padding: 0 5px;
  border-radius: 9px; background: var(--_accent); color: #fff; font-size: 11px; font-weight: 700; line-height: 18px; text-align: center;
}
[part=panel] {
  position: absolute; z-index: 20; inset-block-start: calc(100% + 8px); inset-inline-end: 0; width: min(22rem, calc(100vw - 24px));
  max-height: min(30rem, 75vh); overflow: auto; box-sizing: border-box; background: var(--_surface); color: var(--_text);
  border: 1px solid var(--_line); border-radius: 16px; box-shadow: 0 16px 50px rgb(0 0 0 / .2);
}
header {
  position: sticky; top: 0; z-index: 1; display: flex; align-items: center; justify-content: space-between; gap: 1em; min-height: 52px;
  padding: 0 16px; background: var(--_surface); border-bottom: 1px solid var(--_line);
}
h2 { margin: 0; font-size: 1rem; }
[part=read-all], [part=more] { min-height: 36px; padding: 0 8px; border-radius: 8px; color: var(--_accent); font-size: .85rem; font-weight: 600; }
[part=more] { display: block; width: 100%; min-height: 44px; }
ul { list-style: none; margin: 0; padding: 0; }
[part=item] {
  display: grid; grid-template-columns: 1fr auto; gap: 2px 12px; width: 100%; min-height: 44px; padding: 12px 16px;
  text-align: start; border-radius: 0;
}
[part=item]:hover { background: color-mix(in srgb, var(--_text) 6%, transparent); }
[part=item]:focus-visible { outline-offset: -2px; }
[part=item-message] { overflow-wrap: anywhere; line-height: 1.35; }
[data-unread] [part=item-message] { font-weight: 600; }
[part=item-time] { grid-row: 2; color: var(--_soft); font-size: .8rem; }
[part=item-dot] { grid-column: 2; grid-row: 1 / 3; align-self: center; width: 9px; height: 9px; border-radius: 50%; background: var(--_accent); }
[part=empty], [part=failure] { margin: 0; padding: 28px 24px; color: var(--_soft); text-align: center; line-height: 1.45; }
[part=toasts] {
  position: fixed; inset: auto 16px max(16px, env(safe-area-inset-bottom)) auto; width: min(21rem, calc(100vw - 32px));
  margin: 0; padding: 0; border: 0; overflow: visible; background: none; color: inherit;
}
[part=toast] {
  display: flex; align-items: start; margin-block-start: 10px; background: var(--_surface); color: var(--_text); border: 1px solid var(--_line);
  border-inline-start: 4px solid var(--_accent); border-radius: 12px; box-shadow: 0 10px 34px rgb(0 0 0 / .2); animation: enter .28s ease-out;
}
@keyframes enter { from { transform: translateY(14px); opacity: 0; } }
[part=toast-open] { flex: 1; display: grid; gap: 2px; padding: 12px 14px; text-align: start; }
[part=toast-open] span { color: var(--_soft); overflow-wrap: anywhere; line-height: 1.35; }
[part=toast-close] { width: 44px; height: 44px; font-size: 1.2rem; color: var(--_soft); }
@media (prefers-reduced-motion: reduce) {
  *, *::before { animation: none !important; transition: none !important; }
}
`;
