import argparse
import logging
import pathlib

import torch
import yaml
from torch.utils.data import DataLoader

from .data import load_splits
from .models import build_model
from .utils.metrics import AverageMeter, accuracy

log = logging.getLogger(__name__)


def parse_args() -> argparse.Namespace:
    p = argparse.ArgumentParser()
    p.add_argument("--config", type=pathlib.Path, required=True)
    p.add_argument("--seed", type=int, default=None, help="overrides the seed of the config")
    return p.parse_args()


def run_epoch(model, loader, optimizer=None) -> tuple[float, float]:
    losses, accs = AverageMeter(), AverageMeter()
    model.train(optimizer is not None)
    with torch.set_grad_enabled(optimizer is not None):
        for x, y in loader:
            logits = model(x)
            loss = torch.nn.functional.cross_entropy(logits, y)
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            losses.update(loss.item(), len(x))
            accs.update(accuracy(logits, y), len(x))
    return losses.avg, accs.avg


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    args = parse_args()
    cfg = yaml.safe_load(args.config.read_text())
    torch.manual_seed(cfg["seed"] if args.seed is None else args.seed)

    train_set, val_set = load_splits(**cfg["data"])
    train_loader = DataLoader(train_set, batch_size=cfg["train"]["batch_size"], shuffle=True)
    val_loader = DataLoader(val_set, batch_size=512)
    model = build_model(**cfg["model"])
    log.info("parameters: %d", sum(p.numel() for p in model.parameters()))
    optimizer = torch.optim.Adam(
        model.parameters(), lr=cfg["train"]["lr"], weight_decay=cfg["train"]["weight_decay"]
    )

    epochs = cfg["train"]["epochs"]
    for epoch in range(1, epochs + 1):
        train_loss, train_acc = run_epoch(model, train_loader, optimizer)
        val_loss, val_acc = run_epoch(model, val_loader)
        print(
            f"epoch {epoch}/{epochs} train_loss={train_loss:.4f} train_acc={train_acc:.4f} "
            f"val_loss={val_loss:.4f} val_acc={val_acc:.4f}"
        )

    out = pathlib.Path(cfg["output_dir"])
    out.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), out / "last.pt")
    (out / "config.yaml").write_text(yaml.safe_dump(cfg))
    log.info("saved to %s", out)


if __name__ == "__main__":
    main()
