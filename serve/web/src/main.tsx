// The front end of `fedsim serve`: one page, a view for each address behind its `#`.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { read } from "./address";
import { Compare } from "./Compare";
import { Run } from "./Run";
import { Runs } from "./Runs";
import { Search } from "./Search";
import "./style.css";

function App() {
  const [address, set] = useState(read);
  useEffect(() => {
    const listen = () => {
      set(read());
      scrollTo(0, 0);
    };
    addEventListener("hashchange", listen);
    return () => removeEventListener("hashchange", listen);
  }, []);
  const { view, asked } = address;
  const of = (key: string) => asked.get(key) ?? "";
  const at = (key: string) => (asked.has(key) ? Number(of(key)) : null);
  switch (view) {
    case "run": return <Run key={of("run")} run={of("run")} at={at("at")} />;
    case "compare": return <Compare key={of("left") + " " + of("right")} left={of("left")} right={of("right")} at={at("at")} />;
    case "search": return <Search key={of("file")} file={of("file")} />;
    default: return <Runs />;
  }
}

const app = document.getElementById("app");
if (app) {
  app.replaceChildren();
  render(<App />, app);
}
